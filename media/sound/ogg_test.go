package sound

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/need"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

// wavOf is a WAV file in memory.
func wavOf(t testing.TB, channels int, pcm []int16) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWAVWriter(f, channels)
	if err == nil {
		err = w.WritePCM(pcm)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// power of a tone in audio, as a share of all of it.
func shareOf(pcm []int16, hz float64) float64 {
	all := 0.0
	for _, v := range pcm {
		all += float64(v) * float64(v)
	}
	return audio.Goertzel(pcm, hz) / max(all, 1)
}

// TestOggOfARecording: a recording as Opus is as long as it was, and holds what
// it held, each channel its own.
func TestOggOfARecording(t *testing.T) {
	const length = 3*audio.SampleRate + 77 // no whole frame at the end
	left, right := mediatest.Tone(500, 3100, 8000)[:length], mediatest.Tone(1500, 3100, 8000)[:length]
	stereo := make([]int16, 0, 2*length)
	for i := range left {
		stereo = append(stereo, left[i], right[i])
	}
	for name, c := range map[string]struct {
		channels int
		pcm      []int16
	}{"mono": {1, left}, "stereo": {2, stereo}} {
		var out bytes.Buffer
		if err := EncodeOgg(bytes.NewReader(wavOf(t, c.channels, c.pcm)), &out); err != nil {
			t.Fatal(err)
		}
		if 5*out.Len() > 2*len(c.pcm) {
			t.Errorf("%s: %d bytes of %d", name, out.Len(), 2*len(c.pcm))
		}
		if back := wavAgain(t, out.Bytes()); back.channels != c.channels || len(back.pcm) < len(c.pcm) || len(back.pcm) > len(c.pcm)+6*audio.FrameSamples*c.channels {
			t.Errorf("%s: %d samples of %d channels again, %d were recorded", name, len(back.pcm), back.channels, len(c.pcm))
		} else if c.channels == 2 && (shareOf(laneOf(back.pcm, 0), 500) < 0.9 || shareOf(laneOf(back.pcm, 1), 1500) < 0.9) {
			t.Errorf("%s: the channels are not those that were recorded", name)
		}
		p, err := decodeAudio(context.Background(), &out, "", time.Minute, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pcm := p.PCM()
		if n := len(pcm) - length; n < 0 || n > 6*audio.FrameSamples {
			t.Errorf("%s: %d samples, %d were recorded", name, len(pcm), length)
		}
		middle := pcm[audio.SampleRate : 2*audio.SampleRate]
		low, high := shareOf(middle, 500), shareOf(middle, 1500)
		if c.channels == 1 && low < 0.95 || c.channels == 2 && (low < 0.2 || high < 0.2) {
			t.Errorf("%s: %.2f of it is 500 Hz, %.2f 1500 Hz", name, low, high)
		}
	}
	if err := EncodeOgg(strings.NewReader("RIFF"), &bytes.Buffer{}); err == nil {
		t.Error("no recording is encoded")
	}
}

// TestOggOfOthers: files of the reference encoder play, and the reference
// decoder reads ours.
func TestOggOfOthers(t *testing.T) {
	opusenc := need.Program(t, "opusenc", "apt install opus-tools")
	opusdec := need.Program(t, "opusdec", "apt install opus-tools")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	tone := mediatest.Tone(700, 2000, 8000)
	if err := os.WriteFile(file("in.wav"), wavOf(t, 1, tone), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, options := range [][]string{{}, {"--bitrate", "64"}, {"--framesize", "60"}, {"--framesize", "2.5"}} {
		run(append(append([]string{opusenc, "--quiet"}, options...), file("in.wav"), file("theirs.opus"))...)
		p, err := NewLibrary(LibraryOptions{}).Load(t.Context(), file("theirs.opus"), LoadOptions{})
		if err != nil {
			t.Fatal(options, err)
		}
		pcm := p.PCM()
		if off := math.Abs(float64(len(pcm) - len(tone))); off > 2*audio.FrameSamples || shareOf(pcm[2000:14000], 700) < 0.95 {
			t.Errorf("%v: %d samples of %d, %.2f of it the tone", options, len(pcm), len(tone), shareOf(pcm[2000:14000], 700))
		}
	}
	var ours bytes.Buffer
	if err := EncodeOgg(bytes.NewReader(wavOf(t, 1, tone)), &ours); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file("ours.ogg"), ours.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	run(opusdec, "--quiet", "--rate", "8000", file("ours.ogg"), file("back.wav"))
	p, err := NewLibrary(LibraryOptions{}).Load(t.Context(), file("back.wav"), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pcm := p.PCM(); len(pcm) < len(tone) || shareOf(pcm[2000:14000], 700) < 0.95 {
		t.Errorf("%d samples", len(pcm))
	}
}

func FuzzOgg(f *testing.F) {
	var whole bytes.Buffer
	if err := EncodeOgg(bytes.NewReader(wavOf(f, 1, mediatest.Tone(500, 200, 8000))), &whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()/2])
	f.Add([]byte("OggS\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeAudio(t.Context(), bytes.NewReader(b), "ogg", time.Minute, LoadOptions{})
		if err == nil && len(p.PCM()) == 0 {
			t.Error("no audio and no error")
		}
	})
}

type wavBack struct {
	channels int
	pcm      []int16
}

// wavAgain makes WAV of Opus in Ogg, in a file whose header is completed.
func wavAgain(t *testing.T, ogg []byte) wavBack {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.wav")
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(DecodeOgg(bytes.NewReader(ogg), f), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if fixed, err := RepairWAV(path); err != nil || !fixed {
		t.Fatal(fixed, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := wavBack{channels: int(b[22])}
	for at := WAVHeaderBytes; at < len(b); at += 2 {
		got.pcm = append(got.pcm, int16(binary.LittleEndian.Uint16(b[at:])))
	}
	return got
}

// laneOf is one channel of the second second of stereo.
func laneOf(pcm []int16, n int) []int16 {
	var one []int16
	for i := audio.SampleRate; i < 2*audio.SampleRate; i++ {
		one = append(one, pcm[2*i+n])
	}
	return one
}
