package sound

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hajimehoshi/go-mp3"
)

// maxDamagedFrames is how many frames that break the decoder are skipped.
const maxDamagedFrames = 64

// mp3Reader is a source over MPEG-1 and MPEG-2 Layer III. The decoder under it
// panics on some damaged frames; such a frame is dropped and decoding goes on.
type mp3Reader struct {
	frames  *mp3Frames
	decoder *mp3.Decoder
	damaged int
	buf     []byte // left and right interleaved, 16 bit
}

func newMP3Reader(in io.Reader) (*mp3Reader, error) {
	frames, err := newMP3Frames(in)
	if err != nil {
		return nil, err
	}
	return &mp3Reader{frames: frames}, nil
}

func (m *mp3Reader) rate() int { return m.frames.rate }

func (m *mp3Reader) read(dst []float32) (int, error) {
	const pair = 4 // the decoder makes two channels of a single one
	if need := len(dst) * pair; cap(m.buf) < need {
		m.buf = make([]byte, need)
	}
	got, err := m.fill(m.buf[:len(dst)*pair])
	n := got / pair
	for i := range n {
		left := int16(binary.LittleEndian.Uint16(m.buf[i*pair:]))
		right := int16(binary.LittleEndian.Uint16(m.buf[i*pair+2:]))
		dst[i] = (float32(left) + float32(right)) / 2
	}
	return n, err
}

// fill reads whole sample pairs and steps over damaged frames.
func (m *mp3Reader) fill(b []byte) (int, error) {
	got := 0
	for got < len(b) {
		n, err := m.decode(b[got:])
		got += n
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return got, io.EOF
		case m.frames.err != nil: // the file, not the decoder
			return got, m.frames.err
		default:
			if m.damaged++; m.damaged > maxDamagedFrames {
				return got, fmt.Errorf("the MP3 file is damaged: %w", err)
			}
			m.decoder = nil
			m.frames.drop()
		}
	}
	return got, nil
}

// decode is one read of the decoder; its panics become errors.
func (m *mp3Reader) decode(b []byte) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			n, err = 0, fmt.Errorf("frame %d: %v", m.frames.count, p)
		}
	}()
	if m.decoder == nil {
		if m.decoder, err = mp3.NewDecoder(m.frames); err != nil {
			return 0, err
		}
	}
	return m.decoder.Read(b)
}
