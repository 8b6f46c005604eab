package sound

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/mediatest"
)

// fuzzAudio decodes hostile bytes the whole way: the result is a prompt within
// the limits or a *fault.Error.
func fuzzAudio(t *testing.T, file []byte, kind string) {
	const limit = 2 * time.Second
	p, err := decodeAudio(context.Background(), bytes.NewReader(file), kind, limit, LoadOptions{Normalise: true, Trim: true})
	if err != nil {
		if _, ok := errors.AsType[*fault.Error](err); !ok {
			t.Fatalf("a plain error: %v", err)
		}
		return
	}
	if p.Duration() > limit+50*time.Millisecond || p.Frames() == 0 {
		t.Fatalf("%s", p.Duration())
	}
}

func TestDecodeFindsTheFormatByItsBytes(t *testing.T) {
	wav := mediatest.WAVBytes(wavePCM, 1, 16000, 16, mediatest.Bytes(mediatest.Sine(440, 16000, 16000, 10000)))
	for _, kind := range []string{"", "wav", "mp3", "flac"} {
		p, err := decodeAudio(context.Background(), bytes.NewReader(wav), kind, time.Minute, LoadOptions{})
		mediatest.Must(t, err)
		if p.Duration() != time.Second {
			t.Errorf("%q: %s", kind, p.Duration())
		}
	}
}

func TestDecodeErrorsSayWhatToDo(t *testing.T) {
	wav := mediatest.WAVBytes(wavePCM, 1, 8000, 16, mediatest.Bytes(make([]int16, 16001)))
	for _, tc := range []struct {
		name, kind, want string
		code             fault.Code
		file             []byte
	}{
		{"empty", "", "an empty file is neither WAV, MP3 nor Opus in Ogg", fault.Media, nil},
		{"Ogg", "", "there is no Opus in this Ogg file", fault.Media, []byte("OggS\x00\x02")},
		{"FLAC", "", "FLAC is neither", fault.Media, []byte("fLaC")},
		{"M4A", "", "MP4/M4A is neither", fault.Media, []byte("\x00\x00\x00\x20ftypM4A ")},
		{"text", "", "this file is neither", fault.Media, []byte("hello")},
		{"unknown kind", "flac", "flac is neither", fault.Media, []byte("hello")},
		{"no audio", "wav", "there is no audio in it", fault.Media, wav[:44]},
		{"too long", "wav", "longer than 2s", fault.Limit, wav},
	} {
		_, err := decodeAudio(context.Background(), bytes.NewReader(tc.file), tc.kind, 2*time.Second, LoadOptions{})
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Code != tc.code || e.Hint == "" || !bytes.Contains([]byte(e.Message), []byte(tc.want)) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestDecodeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wav := mediatest.WAVBytes(wavePCM, 1, 8000, 16, make([]byte, 100))
	if _, err := decodeAudio(ctx, bytes.NewReader(wav), "wav", time.Minute, LoadOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
}

func TestDecodeClipsInsteadOfWrapping(t *testing.T) {
	data := coded(waveFloat, 32, []float64{40000, -40000, 100})
	p, err := decodeAudio(context.Background(), bytes.NewReader(mediatest.WAVBytes(waveFloat, 1, 8000, 32, data)), "wav", time.Minute, LoadOptions{})
	mediatest.Must(t, err)
	if got := p.PCM(); got[0] != 32767 || got[1] != -32768 || got[2] != 100 {
		t.Fatalf("%v", got)
	}
}

func BenchmarkLoadWAVMinute(b *testing.B) {
	wav := mediatest.WAVBytes(wavePCM, 1, 22050, 16, mediatest.Bytes(mediatest.Sine(440, 22050, 60*22050, 10000)))
	b.SetBytes(int64(len(wav)))
	for b.Loop() {
		if _, err := decodeAudio(context.Background(), bytes.NewReader(wav), "", time.Hour, LoadOptions{Normalise: true, Trim: true}); err != nil {
			b.Fatal(err)
		}
	}
}
