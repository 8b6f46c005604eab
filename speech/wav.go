package speech

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"
)

const (
	headerSize = 12 // RIFF, length, WAVE
	minFormat  = 16 // of a fmt chunk
	maxFormat  = 64
)

// format is the part of a fmt chunk that must make sense.
type format struct {
	tag, channels    uint16
	rate, bytesRate  uint32
	align, bitsDepth uint16
}

// repairWAV reads a WAV file as a pipe delivers it, where the lengths in the
// header are guesses made before the audio, and returns one with the true
// lengths and only the chunks fmt and data.
func repairWAV(b []byte) (wav []byte, length time.Duration, err error) {
	if len(b) == 0 {
		return nil, 0, errors.New("no output")
	}
	if len(b) < headerSize || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, 0, errors.New("the output is no WAV file")
	}
	fmtChunk, data, err := chunks(b[headerSize:])
	if err != nil {
		return nil, 0, err
	}
	f, err := readFormat(fmtChunk)
	if err != nil {
		return nil, 0, err
	}
	data = data[:len(data)/int(f.align)*int(f.align)]
	if len(data) == 0 {
		return nil, 0, errors.New("the output holds no audio")
	}
	length = time.Duration(float64(len(data)/int(f.align)) / float64(f.rate) * float64(time.Second))
	return writeWAV(fmtChunk, data), length, nil
}

// chunks finds fmt and data. A length that is 0 or reaches past the end means
// the rest of the file.
func chunks(b []byte) (fmtChunk, data []byte, err error) {
	for len(b) >= 8 {
		id, size := string(b[:4]), uint64(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		if id == "data" {
			if size != 0 && size < uint64(len(b)) {
				b = b[:size]
			}
			if fmtChunk == nil {
				return nil, nil, errors.New("the WAV file does not say its format")
			}
			return fmtChunk, b, nil
		}
		if size > uint64(len(b)) {
			break
		}
		if id == "fmt " {
			fmtChunk = b[:size]
		}
		b = b[min(size+size%2, uint64(len(b))):]
	}
	return nil, nil, errors.New("the WAV file holds no audio")
}

// readFormat refuses formats that cannot be what they say.
func readFormat(b []byte) (f format, err error) {
	if len(b) < minFormat || len(b) > maxFormat {
		return f, errors.New("the WAV file's format is damaged")
	}
	f = format{
		tag: binary.LittleEndian.Uint16(b), channels: binary.LittleEndian.Uint16(b[2:]),
		rate: binary.LittleEndian.Uint32(b[4:]), bytesRate: binary.LittleEndian.Uint32(b[8:]),
		align: binary.LittleEndian.Uint16(b[12:]), bitsDepth: binary.LittleEndian.Uint16(b[14:]),
	}
	if f.channels < 1 || f.channels > 2 || f.rate < 4000 || f.rate > 192_000 ||
		f.bitsDepth < 8 || f.bitsDepth > 64 || uint32(f.align) != uint32(f.channels)*uint32(f.bitsDepth+7)/8 {
		return f, errors.New("the WAV file's format makes no sense")
	}
	return f, nil
}

// wrapPCM makes a WAV file of raw mono s16le audio.
func wrapPCM(pcm []byte, rate int) []byte {
	f := make([]byte, minFormat)
	binary.LittleEndian.PutUint16(f, 1)
	binary.LittleEndian.PutUint16(f[2:], 1)
	binary.LittleEndian.PutUint32(f[4:], uint32(rate))
	binary.LittleEndian.PutUint32(f[8:], uint32(rate)*2)
	binary.LittleEndian.PutUint16(f[12:], 2)
	binary.LittleEndian.PutUint16(f[14:], 16)
	return writeWAV(f, pcm[:len(pcm)/2*2])
}

func writeWAV(fmtChunk, data []byte) []byte {
	var b bytes.Buffer
	u32 := func(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
	pad := len(data) % 2
	b.Grow(len(data) + len(fmtChunk) + 32)
	b.WriteString("RIFF")
	b.Write(u32(4 + 8 + len(fmtChunk) + len(fmtChunk)%2 + 8 + len(data) + pad))
	b.WriteString("WAVEfmt ")
	b.Write(u32(len(fmtChunk)))
	b.Write(fmtChunk)
	b.Write(make([]byte, len(fmtChunk)%2))
	b.WriteString("data")
	b.Write(u32(len(data)))
	b.Write(data)
	b.Write(make([]byte, pad))
	return b.Bytes()
}
