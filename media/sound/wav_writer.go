package sound

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
)

// Limits of a written WAV file.
const (
	WAVHeaderBytes = 44
	// MaxWAVBytes is the most audio that one file takes: 4 GiB less the
	// header, 37 hours of stereo.
	MaxWAVBytes = 1<<32 - 1<<16
	// wavBuffer is how much audio waits for the next write, 2 s of stereo.
	wavBuffer = 64 << 10
)

// ErrWAVFull: the file has MaxWAVBytes; it comes inside a *fault.Error of code
// Limit.
var ErrWAVFull = errors.New("the recording has the largest size of a WAV file")

// WAVFile is what a [WAVWriter] needs of a file; *os.File has it.
type WAVFile interface {
	io.Writer
	io.WriterAt
}

// WAVWriter streams 16 bit PCM at 8000 Hz into a file. After every flush the
// sizes in the header are those of the audio on disk, so a file is playable
// after a kill at any moment: at worst the last flush is missing, or is there
// but not counted (see [RepairWAV]).
//
// # Concurrency
//
// One goroutine at a time.
type WAVWriter struct {
	file     WAVFile
	channels int
	buf      []byte
	written  int64 // bytes of audio in the file
	err      error // the first one; the writer is dead after it
}

// NewWAVWriter writes the header of an empty file at the present position,
// which must be 0, with 1 or 2 channels.
func NewWAVWriter(file WAVFile, channels int) (*WAVWriter, error) {
	if channels != 1 && channels != 2 {
		return nil, fault.New(fault.Invalid, "media: wav: %d channels", channels)
	}
	if _, err := file.Write(WAVHeader(channels)); err != nil {
		return nil, fmt.Errorf("media: wav: write header: %w", err)
	}
	return &WAVWriter{file: file, channels: channels, buf: make([]byte, 0, wavBuffer)}, nil
}

// WAVHeader describes an empty file.
func WAVHeader(channels int) []byte {
	h := make([]byte, 0, WAVHeaderBytes)
	le := binary.LittleEndian
	h = append(h, "RIFF"...)
	h = le.AppendUint32(h, WAVHeaderBytes-8)
	h = append(h, "WAVEfmt "...)
	h = le.AppendUint32(h, 16)
	h = le.AppendUint16(h, wavePCM)
	h = le.AppendUint16(h, uint16(channels))
	h = le.AppendUint32(h, audio.SampleRate)
	h = le.AppendUint32(h, uint32(audio.SampleRate*2*channels))
	h = le.AppendUint16(h, uint16(2*channels))
	h = le.AppendUint16(h, 16)
	h = append(h, "data"...)
	return le.AppendUint32(h, 0)
}

// WritePCM appends samples, interleaved when there are two channels, as whole
// frames of all channels. It writes to the file when the buffer is full.
func (w *WAVWriter) WritePCM(pcm []int16) error {
	if w.err != nil {
		return w.err
	}
	pcm = pcm[:len(pcm)-len(pcm)%w.channels]
	if w.written+int64(len(w.buf)+2*len(pcm)) > MaxWAVBytes {
		w.err = fault.New(fault.Limit, "media: wav: %w", ErrWAVFull)
		return w.err
	}
	for len(pcm) > 0 {
		n := min(len(pcm), (cap(w.buf)-len(w.buf))/2)
		for _, s := range pcm[:n] {
			w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(s))
		}
		pcm = pcm[n:]
		if len(w.buf) == cap(w.buf) {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush writes what waits and then the sizes: audio first, so that the header
// never promises more than there is.
func (w *WAVWriter) Flush() error {
	if w.err != nil {
		return w.err
	}
	if len(w.buf) == 0 {
		return nil
	}
	n, err := w.file.Write(w.buf)
	if err != nil {
		w.err = fmt.Errorf("media: wav: write after %d bytes: %w", w.written+int64(n), err)
		return w.err
	}
	w.written += int64(n)
	w.buf = w.buf[:0]
	if err := WriteWAVSizes(w.file, w.channels, w.written); err != nil {
		w.err = err
	}
	return w.err
}

// Samples is the number of samples per channel so far, flushed or not.
func (w *WAVWriter) Samples() int64 {
	return (w.written + int64(len(w.buf))) / int64(2*w.channels)
}

// WriteWAVSizes puts the two sizes into a header of ours.
func WriteWAVSizes(file io.WriterAt, channels int, audio int64) error {
	const riff = 4 // where the first one is
	head := WAVHeader(channels)
	binary.LittleEndian.PutUint32(head[riff:], uint32(audio+WAVHeaderBytes-8))
	binary.LittleEndian.PutUint32(head[WAVHeaderBytes-4:], uint32(audio))
	if _, err := file.WriteAt(head[riff:], riff); err != nil {
		return fmt.Errorf("media: wav: update header: %w", err)
	}
	return nil
}

// RepairWAV makes the header of a file that a [WAVWriter] left unfinished say
// what is really there, and reports whether it had to change anything. Audio
// that was written but not counted is recovered; an incomplete last sample is
// cut off. A file that is not ours is an error and stays untouched.
func RepairWAV(path string) (changed bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, fmt.Errorf("media: repair: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	changed, err = repairWAV(f)
	if err != nil {
		return changed, fmt.Errorf("media: repair %s: %w", path, err)
	}
	return changed, nil
}

// WAVLength is how long the audio of a file of a [WAVWriter] lasts, by its size.
func WAVLength(path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("media: wav: %w", err)
	}
	defer f.Close()
	var head [WAVHeaderBytes]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return 0, fault.New(fault.Media, "shorter than a WAV header")
	}
	channels, ok := ourWAVHeader(head[:])
	info, err := f.Stat()
	if !ok || err != nil {
		return 0, errors.Join(err, fault.New(fault.Media, "not a recording of ours"))
	}
	return time.Duration(info.Size()-WAVHeaderBytes) * time.Second / time.Duration(2*channels*audio.SampleRate), nil
}

func repairWAV(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	var head [WAVHeaderBytes]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return false, fault.New(fault.Media, "shorter than a WAV header")
	}
	channels, ok := ourWAVHeader(head[:])
	if !ok {
		return false, fault.New(fault.Media, "not a recording of ours")
	}
	audio := min(info.Size()-WAVHeaderBytes, MaxWAVBytes)
	audio -= audio % int64(2*channels)
	says := int64(binary.LittleEndian.Uint32(head[WAVHeaderBytes-4:]))
	riff := int64(binary.LittleEndian.Uint32(head[4:]))
	if says == audio && riff == audio+WAVHeaderBytes-8 && info.Size() == audio+WAVHeaderBytes {
		return false, nil
	}
	if err := f.Truncate(audio + WAVHeaderBytes); err != nil {
		return false, err
	}
	return true, WriteWAVSizes(f, channels, audio)
}

// ourWAVHeader compares everything but the sizes.
func ourWAVHeader(head []byte) (channels int, ok bool) {
	channels = int(binary.LittleEndian.Uint16(head[22:]))
	if channels != 1 && channels != 2 {
		return 0, false
	}
	want := WAVHeader(channels)
	copy(want[4:8], head[4:8])
	copy(want[WAVHeaderBytes-4:], head[WAVHeaderBytes-4:])
	return channels, string(want) == string(head[:WAVHeaderBytes])
}
