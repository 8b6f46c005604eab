package sound

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Limits of an MP3 file.
const (
	maxID3Tags  = 8       // one after another
	maxMP3Junk  = 1 << 20 // bytes between frames, in all
	mp3Lookback = 255     // bytes of earlier frames that an MPEG-2 frame may use
)

var (
	errNotMP3 = errors.New("not an MP3 file")
	errMPEG25 = errors.New("MP3 below 16000 samples a second (MPEG 2.5) cannot be decoded")
)

// mp3Frames reads a file as a clean sequence of Layer III frames of one version
// and rate: tags, the index frame of LAME and Xing and junk are left out.
//
// MPEG-2 frames come out rewritten so that each carries all of its own data:
// the decoder computes the length of a padded MPEG-2 frame one byte short (at
// 22050 Hz and 32 kbit/s nearly all of them), which would turn speech to noise.
type mp3Frames struct {
	in      *bufio.Reader
	head    mp3Header // of the first frame; version and rate hold for all
	rate    int
	out     []byte // rest of the present frame
	frame   []byte // scratch for the frame
	earlier []byte // the last main data, MPEG-2 only
	junk    int
	count   int   // frames delivered
	err     error // not io.EOF
}

func newMP3Frames(in io.Reader) (*mp3Frames, error) {
	f := &mp3Frames{in: bufio.NewReaderSize(in, 1<<14)}
	if err := f.skipTags(); err != nil {
		return nil, err
	}
	head, err := f.sync()
	switch {
	case f.err != nil:
		return nil, f.err
	case err != nil:
		return nil, errNotMP3
	}
	f.head, f.rate = head, head.rate()
	return f, nil
}

// skipTags steps over ID3v2 tags at the start (id3.org, ID3v2.4 §3.1).
func (f *mp3Frames) skipTags() error {
	for range maxID3Tags {
		b, err := f.in.Peek(10)
		if err != nil || string(b[:3]) != "ID3" {
			return nil
		}
		size := int64(b[6]&0x7f)<<21 | int64(b[7]&0x7f)<<14 | int64(b[8]&0x7f)<<7 | int64(b[9]&0x7f)
		if b[5]&0x10 != 0 { // a footer repeats the header
			size += 10
		}
		if _, err := io.CopyN(io.Discard, f.in, size+10); err != nil {
			return errNotMP3
		}
	}
	return nil
}

// Read gives the bytes of the frames.
func (f *mp3Frames) Read(p []byte) (int, error) {
	for len(f.out) == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

// drop forgets the rest of the present frame.
func (f *mp3Frames) drop() { f.out = nil }

// next puts the next frame into out; out stays empty when it is left out.
func (f *mp3Frames) next() error {
	head, err := f.sync()
	if err != nil {
		return err
	}
	size := head.size()
	f.frame = append(f.frame[:0], make([]byte, size)...)
	if _, err := io.ReadFull(f.in, f.frame); err != nil {
		return io.EOF // the last frame is cut off
	}
	f.count++
	if f.count == 1 && f.indexFrame(head) {
		return nil
	}
	if head.mpeg1() {
		f.out = f.frame
		return nil
	}
	f.out = f.selfContained(head)
	return nil
}

// indexFrame recognises the first frame of Xing, LAME and Fraunhofer, which
// holds a table and no audio.
func (f *mp3Frames) indexFrame(head mp3Header) bool {
	at := 4 + head.sideInfo()
	for _, name := range []string{"Xing", "Info"} {
		if len(f.frame) >= at+4 && string(f.frame[at:at+4]) == name {
			return true
		}
	}
	return len(f.frame) >= 40 && string(f.frame[36:40]) == "VBRI"
}

// sync moves to the next header and leaves it unread.
func (f *mp3Frames) sync() (mp3Header, error) {
	for {
		b, err := f.in.Peek(4)
		if err != nil {
			return 0, io.EOF
		}
		head := mp3Header(binary.BigEndian.Uint32(b))
		if head.valid() && (f.head == 0 || head.sameKind(f.head)) && f.followed(head) {
			if head.mpeg25() {
				f.err = errMPEG25
				return 0, f.err
			}
			return head, nil
		}
		if f.junk++; f.junk > maxMP3Junk {
			f.err = errNotMP3
			return 0, f.err
		}
		f.in.Discard(1)
	}
}

// followed guards the first frame, where nothing else tells a header from tag
// or junk bytes that look like one.
func (f *mp3Frames) followed(head mp3Header) bool {
	if f.head != 0 {
		return true
	}
	b, err := f.in.Peek(head.size() + 4)
	if err != nil {
		return len(b) >= head.size()
	}
	next := mp3Header(binary.BigEndian.Uint32(b[len(b)-4:]))
	return next.valid() && next.sameKind(head)
}

// selfContained rebuilds an MPEG-2 frame: the data that it borrows from earlier
// frames comes first in its own data, the borrowing is set to 0, and the bit
// rate in the header to one whose frame holds all of it. Nil when the borrowed
// data never came (the first frame after damage).
func (f *mp3Frames) selfContained(head mp3Header) []byte {
	side := head.sideInfo()
	start := 4 + head.crc() + side
	if len(f.frame) < start {
		return nil
	}
	info, own := f.frame[start-side:start], f.frame[start:]
	borrowed := int(info[0])
	have := len(f.earlier)
	if borrowed > have {
		f.keep(own)
		return nil
	}
	data := append(f.earlier[have-borrowed:have:have], own...)
	head, size := head.roomFor(4 + side + (head.dataBits(info)+7)/8)
	out := make([]byte, size)
	binary.BigEndian.PutUint32(out, uint32(head))
	copy(out[4:], info)
	out[4] = 0 // main_data_begin
	copy(out[4+side:], data)
	f.keep(own)
	return out
}

// keep remembers the newest main data for the frames after.
func (f *mp3Frames) keep(own []byte) {
	all := append(f.earlier, own...)
	all = all[max(len(all)-mp3Lookback, 0):]
	f.earlier = append(f.earlier[:0], all...)
}
