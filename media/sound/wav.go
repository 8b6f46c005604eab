package sound

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// Limits of a WAV file.
const (
	maxWAVChannels = 8
	maxWAVChunks   = 1024    // before the audio
	maxFmtChunk    = 1 << 12 // bytes
)

// Format tags of a WAVE file.
const (
	wavePCM        = 0x0001
	waveFloat      = 0x0003
	waveALaw       = 0x0006
	waveMuLaw      = 0x0007
	waveExtensible = 0xFFFE
)

// source yields mono audio, scaled like 16 bit samples.
type source interface {
	rate() int // samples a second
	// read fills dst from its start; n may be short. io.EOF ends the audio.
	read(dst []float32) (n int, err error)
}

// wavReader is a source over a WAVE file: RIFF or RF64, PCM of 8 to 32 bit,
// float, A-law, mu-law, WAVE_FORMAT_EXTENSIBLE. Channels are averaged. A length
// that cannot be true (streams write 0 or 2^32−1) means "until the end", and a
// file that breaks off ends where it breaks.
type wavReader struct {
	r      *bufio.Reader
	left   int64 // bytes of audio still to come; negative: until the end
	format waveFormat
	buf    []byte
}

type waveFormat struct {
	tag      uint16
	channels int
	rate     int
	bits     int // of the container
	block    int // bytes of one sample of all channels
}

var errNotWAV = errors.New("not a WAVE file")

// newWAVReader reads up to the first sample.
func newWAVReader(in io.Reader) (*wavReader, error) {
	r := bufio.NewReaderSize(in, 1<<14)
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, errNotWAV
	}
	if magic := string(head[:4]); (magic != "RIFF" && magic != "RF64") || string(head[8:]) != "WAVE" {
		return nil, errNotWAV
	}
	w := &wavReader{r: r}
	for range maxWAVChunks {
		var chunk [8]byte
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return nil, errors.New("the WAVE file has no audio")
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch string(chunk[:4]) {
		case "fmt ":
			if err := w.readFormat(size); err != nil {
				return nil, err
			}
		case "data":
			if w.format.block == 0 {
				return nil, errors.New("the WAVE file has audio before its format")
			}
			w.left = audioLength(size)
			return w, nil
		default:
			if _, err := io.CopyN(io.Discard, r, size+size&1); err != nil {
				return nil, errors.New("the WAVE file has no audio")
			}
		}
	}
	return nil, fmt.Errorf("the WAVE file has more than %d chunks", maxWAVChunks)
}

// audioLength believes a size unless it is a mark for "unknown": 0, or what a
// program writes that streams and leaves room for the header in 31 or 32 bits.
func audioLength(size int64) int64 {
	const slack = 1 << 16
	if size == 0 || size >= math.MaxUint32-slack || (size >= math.MaxInt32-slack && size <= math.MaxInt32) {
		return -1
	}
	return size
}

func (w *wavReader) readFormat(size int64) error {
	if size < 16 || size > maxFmtChunk {
		return errors.New("the format of the WAVE file is damaged")
	}
	b := make([]byte, size+size&1)
	if _, err := io.ReadFull(w.r, b); err != nil {
		return errors.New("the format of the WAVE file is cut off")
	}
	f := waveFormat{
		tag:      binary.LittleEndian.Uint16(b),
		channels: int(binary.LittleEndian.Uint16(b[2:])),
		rate:     int(binary.LittleEndian.Uint32(b[4:])),
		bits:     int(binary.LittleEndian.Uint16(b[14:])),
	}
	if f.tag == waveExtensible {
		if size < 40 {
			return errors.New("the extended format of the WAVE file is cut off")
		}
		f.tag = binary.LittleEndian.Uint16(b[24:]) // first bytes of the GUID
	}
	f.bits = (f.bits + 7) &^ 7 // 12 or 20 bit samples fill whole bytes
	f.block = f.channels * f.bits / 8
	if err := f.check(); err != nil {
		return err
	}
	w.format = f
	return nil
}

func (f waveFormat) check() error {
	if f.channels < 1 || f.channels > maxWAVChannels {
		return fmt.Errorf("the WAVE file has %d channels; 1 to %d can be read", f.channels, maxWAVChannels)
	}
	if f.rate < audio.MinInputRate || f.rate > audio.MaxInputRate {
		return fmt.Errorf("the WAVE file has %d samples a second; %d to %d can be read", f.rate, audio.MinInputRate, audio.MaxInputRate)
	}
	ok := false
	switch f.tag {
	case wavePCM:
		ok = f.bits >= 8 && f.bits <= 32
	case waveFloat:
		ok = f.bits == 32 || f.bits == 64
	case waveALaw, waveMuLaw:
		ok = f.bits == 8
	}
	if !ok {
		return fmt.Errorf("the WAVE file holds format 0x%04X of %d bit; PCM, float, A-law and mu-law can be read", f.tag, f.bits)
	}
	return nil
}

func (w *wavReader) rate() int { return w.format.rate }

func (w *wavReader) read(dst []float32) (int, error) {
	block := w.format.block
	need := len(dst) * block
	if w.left >= 0 {
		need = int(min(int64(need), w.left-w.left%int64(block)))
	}
	if need == 0 {
		return 0, io.EOF
	}
	if cap(w.buf) < need {
		w.buf = make([]byte, need)
	}
	got, err := io.ReadFull(w.r, w.buf[:need])
	if w.left >= 0 {
		w.left -= int64(got)
	}
	n := got / block
	w.format.decode(dst[:n], w.buf)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// decode averages the channels of len(dst) blocks.
func (f waveFormat) decode(dst []float32, b []byte) {
	width := f.bits / 8
	scale := 1 / float32(f.channels)
	for i := range dst {
		sum := float32(0)
		for range f.channels {
			sum += f.sample(b)
			b = b[width:]
		}
		dst[i] = sum * scale
	}
}

// sample is the first sample of b, scaled like 16 bit.
func (f waveFormat) sample(b []byte) float32 {
	switch f.tag {
	case waveALaw:
		return float32(codec.PCMA.G711.Sample(b[0]))
	case waveMuLaw:
		return float32(codec.PCMU.G711.Sample(b[0]))
	case waveFloat:
		return f.float(b)
	}
	switch f.bits {
	case 8: // the only unsigned width
		return (float32(b[0]) - 128) * 256
	case 16:
		return float32(int16(binary.LittleEndian.Uint16(b)))
	case 24:
		v := int32(b[0])<<8 | int32(b[1])<<16 | int32(b[2])<<24
		return float32(v) / (1 << 16)
	}
	return float32(int32(binary.LittleEndian.Uint32(b))) / (1 << 16)
}

// float reads ±1 as full scale; what is no number is silence.
func (f waveFormat) float(b []byte) float32 {
	var v float64
	if f.bits == 32 {
		v = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	} else {
		v = math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	if math.IsNaN(v) {
		return 0
	}
	return float32(max(min(v, 4), -4) * 32768)
}

// interleaved reads samples of all channels as they stand in a file of 16 bit
// PCM; fewer than dst are the end.
func (w *wavReader) interleaved(dst []int16) (int, error) {
	want := 2 * len(dst)
	if w.left >= 0 {
		want = int(min(int64(want), w.left))
	}
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	got, err := io.ReadFull(w.r, w.buf[:want])
	if w.left >= 0 {
		w.left -= int64(got)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	n := got / w.format.block * w.format.channels
	for i := range n {
		dst[i] = int16(binary.LittleEndian.Uint16(w.buf[2*i:]))
	}
	return n, err
}
