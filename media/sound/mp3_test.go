package sound

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

// remake encodes the files of testdata again.
var remake = flag.Bool("update", false, "rewrite testdata")

// mp3Files are encodings of mp3Level, made by lame with -update.
var mp3Files = []struct {
	name string
	rate int
	args []string
}{
	{"mono-44100-64k", 44100, []string{"-b", "64", "-m", "m"}},
	{"joint-44100-vbr-id3", 44100, []string{"-V", "6", "-m", "j", "--add-id3v2", "--tt", "A title"}},
	{"stereo-48000-crc", 48000, []string{"-b", "96", "-m", "s", "-p", "-t"}},
	{"mono-32000", 32000, []string{"-b", "48", "-m", "m"}},
	{"mono-24000", 24000, []string{"-b", "48", "-m", "m"}},
	{"mono-22050-32k", 22050, []string{"-b", "32", "-m", "m"}}, // padded MPEG-2 frames
	{"joint-22050-vbr", 22050, []string{"-V", "5", "-m", "j"}},
	{"mono-16000-24k-crc", 16000, []string{"-b", "24", "-m", "m", "-p"}},
	{"mono-8000-mpeg25", 8000, []string{"-b", "16", "-m", "m"}},
}

// mp3Level is three tones that rise and fall like syllables, half a second of
// pause, and the tones again: it makes encoders use their bit reservoir.
func mp3Level(t float64) float64 {
	if t < 0 || t > 1.5 || t > 0.5 && t < 1 {
		return 0
	}
	v, swell := 0.0, math.Pow(math.Sin(2*math.Pi*3*t), 2)
	for n, hz := range []float64{310, 870, 2230} {
		v += 5000 / float64(n+1) * swell * math.Sin(2*math.Pi*hz*t)
	}
	return v
}

func mp3Path(name string) string { return filepath.Join("testdata", "mp3", name+".mp3") }

func updateMP3(t *testing.T) {
	t.Helper()
	for _, f := range mp3Files {
		var pcm []int16
		for i := range f.rate * 3 / 2 {
			v := int16(mp3Level(float64(i) / float64(f.rate)))
			pcm = append(pcm, v, v)
		}
		wav := filepath.Join(t.TempDir(), "in.wav")
		mediatest.Must(t, os.WriteFile(wav, mediatest.WAVBytes(wavePCM, 2, f.rate, 16, mediatest.Bytes(pcm)), 0o600))
		mediatest.Must(t, os.MkdirAll(filepath.Dir(mp3Path(f.name)), 0o755))
		out, err := exec.Command("lame", append(f.args, "--quiet", "--noreplaygain", wav, mp3Path(f.name))...).CombinedOutput()
		if err != nil {
			t.Fatalf("lame: %v %s", err, out)
		}
	}
}

// distortion is the level of what differs from the signal in dB, at the best
// alignment: encoders and decoders add a delay, of any fraction of a sample.
func distortion(got []int16) float64 {
	at := func(lag float64, every int) float64 {
		var diff, all float64
		for i := 0; i < len(got); i += every {
			want := mp3Level((float64(i) - lag) / audio.SampleRate)
			diff += (float64(got[i]) - want) * (float64(got[i]) - want)
			all += want * want
		}
		return mediatest.Decibels(math.Sqrt(diff / all))
	}
	best, coarse := math.Inf(1), 0.0
	for lag := 0.0; lag < 1000; lag++ {
		if d := at(lag, 61); d < best {
			best, coarse = d, lag
		}
	}
	best = math.Inf(1)
	for lag := coarse - 1; lag < coarse+1; lag += 0.05 {
		best = min(best, at(lag, 3))
	}
	return best
}

func decodeMP3(file []byte) (*Prompt, error) {
	return decodeAudio(context.Background(), bytes.NewReader(file), "", time.Minute, LoadOptions{})
}

func TestMP3Kinds(t *testing.T) {
	if *remake {
		updateMP3(t)
	}
	for i, f := range mp3Files {
		if testing.Short() && i%4 != 0 { // decoding has one goroutine
			continue
		}
		file, err := os.ReadFile(mp3Path(f.name))
		mediatest.Must(t, err)
		p, err := decodeMP3(file)
		if f.rate < 16000 {
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Code != fault.Media || !errors.Is(err, errMPEG25) {
				t.Errorf("%s: %v", f.name, err)
			}
			continue
		}
		mediatest.Must(t, err)
		if d := p.Duration(); d < 1500*time.Millisecond || d > 1700*time.Millisecond {
			t.Errorf("%s: %s", f.name, d)
		}
		if got := distortion(p.PCM()); got > -20 {
			t.Errorf("%s: distortion %.1f dB", f.name, got)
		}
	}
}

func TestMP3SurvivesTagsAndJunk(t *testing.T) {
	file, err := os.ReadFile(mp3Path("mono-22050-32k"))
	mediatest.Must(t, err)
	clean, err := decodeMP3(file)
	mediatest.Must(t, err)
	tag := append([]byte("ID3\x04\x00\x00\x00\x00\x10\x00"), make([]byte, 2048)...)
	copy(tag[100:], "\xff\xfb\x90\x64") // a tag may hold what looks like a frame
	tail := append([]byte("TAG"), bytes.Repeat([]byte{' '}, 125)...)
	for name, f := range map[string][]byte{
		"two ID3v2 tags": slicesOf(tag, tag, file),
		"ID3v1 at end":   slicesOf(file, tail),
		"junk in front":  slicesOf(make([]byte, 3000), file),
		"APE-like tail":  slicesOf(file, []byte("APETAGEX"), bytes.Repeat([]byte{0xFF, 0xE0, 1}, 300)),
	} {
		p, err := decodeAudio(context.Background(), bytes.NewReader(f), "mp3", time.Minute, LoadOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if distortion(p.PCM()) > -20 || p.Duration() != clean.Duration() {
			t.Errorf("%s: %s, clean %s", name, p.Duration(), clean.Duration())
		}
	}
}

func TestMP3CutOffAnywhere(t *testing.T) {
	file, err := os.ReadFile(mp3Path("mono-44100-64k"))
	mediatest.Must(t, err)
	whole, err := decodeMP3(file)
	mediatest.Must(t, err)
	for _, part := range []float64{0.25, 0.5, 0.9} {
		p, err := decodeMP3(file[:int(part*float64(len(file)))])
		mediatest.Must(t, err)
		if got := float64(p.Duration()) / float64(whole.Duration()); math.Abs(got-part) > 0.08 {
			t.Errorf("%.2f of the file is %.2f of the audio", part, got)
		}
	}
}

func TestMP3DamageInTheMiddleIsSteppedOver(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of decodings")
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, name := range []string{"mono-44100-64k", "mono-22050-32k", "stereo-48000-crc"} {
		file, err := os.ReadFile(mp3Path(name))
		mediatest.Must(t, err)
		whole, err := decodeMP3(file)
		mediatest.Must(t, err)
		for range 20 {
			broken := bytes.Clone(file)
			at := len(file)/3 + rnd.IntN(len(file)/3)
			for i := range 40 {
				broken[at+i] = byte(rnd.Uint32())
			}
			p, err := decodeMP3(broken)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if lost := whole.Duration() - p.Duration(); lost > 250*time.Millisecond {
				t.Errorf("%s: 40 bytes cost %s", name, lost)
			}
		}
	}
}

// TestDamagedFramesLimit: a file of nothing but frames that break the decoder is
// given up.
func TestDamagedFramesLimit(t *testing.T) {
	file, err := os.ReadFile(mp3Path("mono-44100-64k"))
	mediatest.Must(t, err)
	frames, err := newMP3Frames(bytes.NewReader(file))
	mediatest.Must(t, err)
	at := bytes.Index(file, []byte("\xff\xfb"))
	frame := append(bytes.Clone(file[at:at+4]), bytes.Repeat([]byte{0x78}, frames.head.size()-4)...)
	for n, whole := range map[int]bool{maxDamagedFrames: true, maxDamagedFrames + 1: false} {
		m, err := newMP3Reader(bytes.NewReader(bytes.Repeat(frame, n)))
		mediatest.Must(t, err)
		got, err := m.read(make([]float32, 1<<18))
		if errors.Is(err, io.EOF) != whole || got != 0 || m.damaged != n {
			t.Errorf("%d damaged frames: %d samples, %d damaged, %v", n, got, m.damaged, err)
		}
	}
}

// TestID3TagsLimit: behind so many tags the audio is still found; what comes
// behind more is junk, and of that there is a limit, too.
func TestID3TagsLimit(t *testing.T) {
	file, err := os.ReadFile(mp3Path("mono-44100-64k"))
	mediatest.Must(t, err)
	small, large := []byte("ID3\x04\x00\x00\x00\x00\x00\x00"), append([]byte("ID3\x04\x00\x00\x00\x48\x00\x00"), make([]byte, 0x48<<14)...)
	for before, ok := range map[int]bool{maxID3Tags - 1: true, maxID3Tags: false} {
		if _, err := decodeMP3(slicesOf(bytes.Repeat(small, before), large, file)); (err == nil) != ok {
			t.Errorf("behind %d others: %v", before, err)
		}
	}
}

func TestNotMP3(t *testing.T) {
	file, err := os.ReadFile(mp3Path("mono-44100-64k"))
	mediatest.Must(t, err)
	for name, f := range map[string][]byte{
		"tag only":      []byte("ID3\x04\x00\x00\x00\x00\x00\x02ab"),
		"tag too long":  append([]byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7f"), file...),
		"endless junk":  slicesOf([]byte("\xff\x00"), make([]byte, maxMP3Junk+10), file),
		"layer 1":       bytes.Repeat([]byte{0xFF, 0xFF, 0x90, 0x04}, 500),
		"only a header": file[:4],
	} {
		if _, err := decodeMP3(f); fault.CodeOf(err) != fault.Media {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every MPEG-2 frame comes out with the length that the decoder computes, its
// data in itself.
func TestMPEG2FramesAreSelfContained(t *testing.T) {
	for _, name := range []string{"mono-22050-32k", "joint-22050-vbr", "mono-16000-24k-crc"} {
		file, err := os.ReadFile(mp3Path(name))
		mediatest.Must(t, err)
		frames, err := newMP3Frames(bytes.NewReader(file))
		mediatest.Must(t, err)
		n := 0
		for frames.next() == nil {
			if len(frames.out) == 0 {
				continue
			}
			n++
			head := mp3Header(uint32(frames.out[0])<<24 | uint32(frames.out[1])<<16 | uint32(frames.out[2])<<8 | uint32(frames.out[3]))
			if !head.valid() || head.size() != len(frames.out) || head.crc() != 0 || head>>9&1 != 0 || frames.out[4] != 0 {
				t.Fatalf("%s, frame %d: %08X, %d bytes", name, n, uint32(head), len(frames.out))
			}
			used := (head.dataBits(frames.out[4:4+head.sideInfo()]) + 7) / 8
			if 4+head.sideInfo()+used > len(frames.out) {
				t.Fatalf("%s, frame %d: data is cut", name, n)
			}
		}
		if n < 30 {
			t.Fatalf("%s: %d frames", name, n)
		}
	}
}

func FuzzMP3(f *testing.F) {
	for _, m := range mp3Files {
		if b, err := os.ReadFile(mp3Path(m.name)); err == nil {
			f.Add(b[:min(len(b), 500)])
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) { fuzzAudio(t, file, "mp3") })
}

func BenchmarkDecodeMP3Second(b *testing.B) {
	file, err := os.ReadFile(mp3Path("mono-44100-64k"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m, err := newMP3Reader(bytes.NewReader(file))
		if err != nil {
			b.Fatal(err)
		}
		chunk := make([]float32, loadChunk)
		for err == nil {
			_, err = m.read(chunk)
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
}
