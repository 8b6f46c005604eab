package sound

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
)

// readAll drains a source.
func readAll(s source) ([]float32, error) {
	var all []float32
	chunk := make([]float32, 333)
	for {
		n, err := s.read(chunk)
		all = append(all, chunk[:n]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// coded writes one signal in a sample format of a WAVE file.
func coded(tag uint16, bits int, pcm []float64) []byte {
	var b []byte
	le := binary.LittleEndian
	for _, v := range pcm {
		switch {
		case tag == waveFloat && bits == 32:
			b = le.AppendUint32(b, math.Float32bits(float32(v/32768)))
		case tag == waveFloat:
			b = le.AppendUint64(b, math.Float64bits(v/32768))
		case tag == waveALaw:
			b = append(b, companded(codec.PCMA, int16(v)))
		case tag == waveMuLaw:
			b = append(b, companded(codec.PCMU, int16(v)))
		case bits == 8:
			b = append(b, byte(math.Round(v/256)+128))
		case bits == 16:
			b = le.AppendUint16(b, uint16(int16(math.Round(v))))
		case bits == 24:
			b = append(b, le.AppendUint32(nil, uint32(int32(v*256)))[:3]...)
		default:
			b = le.AppendUint32(b, uint32(int32(v*65536)))
		}
	}
	return b
}

func TestWAVFormats(t *testing.T) {
	signal := mediatest.Floats(mediatest.Sine(440, 8000, 1000, 12000))
	for _, tc := range []struct {
		name      string
		tag       uint16
		bits      int
		tolerance float64
	}{
		{"8 bit", wavePCM, 8, 130},
		{"16 bit", wavePCM, 16, 0.5},
		{"24 bit", wavePCM, 24, 0.01},
		{"32 bit", wavePCM, 32, 0.01},
		{"float", waveFloat, 32, 0.01},
		{"double", waveFloat, 64, 0.01},
		{"A-law", waveALaw, 8, 300},
		{"mu-law", waveMuLaw, 8, 300},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data := coded(tc.tag, tc.bits, signal)
			for name, file := range map[string][]byte{
				"plain":      mediatest.WAVBytes(tc.tag, 1, 8000, tc.bits, data),
				"extensible": extensible(tc.tag, 1, 8000, tc.bits, data),
			} {
				w, err := newWAVReader(iotest.HalfReader(bytes.NewReader(file)))
				mediatest.Must(t, err)
				got, err := readAll(w)
				mediatest.Must(t, err)
				if w.rate() != 8000 || len(got) != len(signal) {
					t.Fatalf("%s: rate %d, %d samples", name, w.rate(), len(got))
				}
				for i, v := range got {
					if math.Abs(float64(v)-signal[i]) > tc.tolerance {
						t.Fatalf("%s: sample %d is %.2f, want %.2f", name, i, v, signal[i])
					}
				}
			}
		})
	}
}

// extensible is WAVE_FORMAT_EXTENSIBLE with the tag in its GUID.
func extensible(tag uint16, channels, rate, bits int, data []byte) []byte {
	le := binary.LittleEndian
	plain := mediatest.WAVBytes(waveExtensible, channels, rate, bits, data)
	ext := le.AppendUint16(nil, 22)
	ext = le.AppendUint16(ext, uint16(bits))
	ext = le.AppendUint32(ext, 4) // front centre
	ext = le.AppendUint16(ext, tag)
	ext = append(ext, "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"...)
	le.PutUint32(plain[16:], 40)
	return append(append(append([]byte{}, plain[:36]...), ext...), plain[36:]...)
}

func TestWAVStereoIsMixed(t *testing.T) {
	data := mediatest.Bytes([]int16{1000, 3000, -1000, 1000, 32767, 32767})
	w, err := newWAVReader(bytes.NewReader(mediatest.WAVBytes(wavePCM, 2, 44100, 16, data)))
	mediatest.Must(t, err)
	got, err := readAll(w)
	mediatest.Must(t, err)
	if want := []float32{2000, 0, 32767}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Fatalf("%v", got)
	}
}

// Streams carry lengths that cannot be true, broken files less than they say.
func TestWAVLengths(t *testing.T) {
	pcm := mediatest.Sine(440, 8000, 1000, 12000)
	file := mediatest.WAVBytes(wavePCM, 1, 8000, 16, mediatest.Bytes(pcm))
	withLength := func(n uint32) []byte {
		b := bytes.Clone(file)
		binary.LittleEndian.PutUint32(b[40:], n)
		return b
	}
	for _, tc := range []struct {
		name string
		file []byte
		want int
	}{
		{"0, as a stream", withLength(0), 1000},
		{"2^32-1, as ffmpeg", withLength(math.MaxUint32), 1000},
		{"0x7FFFF000, as espeak-ng and sox", withLength(0x7FFFF000), 1000},
		{"larger than the file", withLength(1 << 20), 1000},
		{"odd", withLength(1001), 500},
		{"smaller than the file", withLength(600), 300},
		{"cut off in a sample", file[:len(file)-1], 999},
		{"cut off after the header", file[:44], 0},
		{"RF64", append([]byte("RF64"), file[4:]...), 1000},
		{"chunks around", slicesOf(file[:12], chunk("LIST", 7), chunk("bext", 602), file[12:], chunk("LIST", 20)), 1000},
	} {
		w, err := newWAVReader(bytes.NewReader(tc.file))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got, err := readAll(w)
		if err != nil || len(got) != tc.want {
			t.Errorf("%s: %d samples, %v; want %d", tc.name, len(got), err, tc.want)
		}
		for i, v := range got {
			if v != float32(pcm[i]) {
				t.Fatalf("%s: sample %d is %v", tc.name, i, v)
			}
		}
	}
}

func slicesOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func chunk(name string, size int) []byte {
	b := append([]byte(name), binary.LittleEndian.AppendUint32(nil, uint32(size))...)
	return append(b, make([]byte, size+size&1)...)
}

func TestWAVErrors(t *testing.T) {
	good := mediatest.WAVBytes(wavePCM, 1, 8000, 16, mediatest.Bytes(make([]int16, 100)))
	for _, tc := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "not a WAVE", nil},
		{"text", "not a WAVE", []byte(strings.Repeat("hello ", 20))},
		{"AVI", "not a WAVE", append([]byte("RIFFxxxxAVI "), good[12:]...)},
		{"no data", "no audio", good[:36]},
		{"data first", "before its format", slicesOf(good[:12], chunk("data", 10))},
		{"fmt too short", "damaged", slicesOf(good[:12], chunk("fmt ", 14))},
		{"fmt too long", "damaged", slicesOf(good[:12], chunk("fmt ", maxFmtChunk+2))},
		{"fmt cut", "cut off", good[:30]},
		{"no channel", "0 channels", mediatest.WAVBytes(wavePCM, 0, 8000, 16, nil)},
		{"many channels", "9 channels", mediatest.WAVBytes(wavePCM, maxWAVChannels+1, 8000, 16, nil)},
		{"rate 0", "samples a second", mediatest.WAVBytes(wavePCM, 1, 0, 16, nil)},
		{"rate high", "samples a second", mediatest.WAVBytes(wavePCM, 1, 1<<30, 16, nil)},
		{"ADPCM", "0x0011", mediatest.WAVBytes(0x11, 1, 8000, 4, nil)},
		{"0 bit", "0 bit", mediatest.WAVBytes(wavePCM, 1, 8000, 0, nil)},
		{"64 bit", "64 bit", mediatest.WAVBytes(wavePCM, 1, 8000, 64, nil)},
		{"extensible, short", "cut off", mediatest.WAVBytes(waveExtensible, 1, 8000, 16, nil)},
		{"chunk for ever", "no audio", slicesOf(good[:12], []byte("LIST\xff\xff\xff\xff"))},
		{"many chunks", "chunks", slicesOf(good[:12], bytes.Repeat(chunk("LIST", 0), maxWAVChunks+1))},
	} {
		_, err := newWAVReader(bytes.NewReader(tc.file))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestWAVFloatOddities(t *testing.T) {
	data := coded(waveFloat, 32, []float64{math.NaN(), math.Inf(1), math.Inf(-1), 32768})
	w, err := newWAVReader(bytes.NewReader(mediatest.WAVBytes(waveFloat, 1, 8000, 32, data)))
	mediatest.Must(t, err)
	got, _ := readAll(w)
	if got[0] != 0 || got[1] != 4*32768 || got[2] != -4*32768 || got[3] != 32768 {
		t.Fatalf("%v", got)
	}
}

func TestWAVPassesReadErrors(t *testing.T) {
	broken := errors.New("disk on fire")
	file := mediatest.WAVBytes(wavePCM, 1, 8000, 16, mediatest.Bytes(make([]int16, 20000)))
	w, err := newWAVReader(io.MultiReader(bytes.NewReader(file[:20000]), iotest.ErrReader(broken)))
	mediatest.Must(t, err)
	if _, err := readAll(w); !errors.Is(err, broken) {
		t.Fatalf("%v", err)
	}
}

func FuzzWAV(f *testing.F) {
	pcm := mediatest.Bytes(mediatest.Sine(440, 8000, 400, 12000))
	f.Add(mediatest.WAVBytes(wavePCM, 1, 8000, 16, pcm))
	f.Add(mediatest.WAVBytes(wavePCM, 2, 44100, 24, pcm))
	f.Add(mediatest.WAVBytes(waveFloat, 1, 22050, 32, pcm))
	f.Add(extensible(waveMuLaw, 1, 8000, 8, pcm))
	f.Add(mediatest.WAVBytes(wavePCM, 1, 12345, 8, pcm))
	f.Fuzz(func(t *testing.T, file []byte) {
		fuzzAudio(t, file, "wav")
	})
}

// companded is one sample in a codec of G.711.
func companded(c *codec.Codec, v int16) byte {
	var b [1]byte
	c.Encode(b[:], []int16{v})
	return b[0]
}
