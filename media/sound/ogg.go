package sound

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/thesyncim/gopus"
	"github.com/thesyncim/gopus/container/ogg"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// Opus in Ogg, RFC 7845: files to play, and recordings. Other codecs in Ogg
// (Vorbis, FLAC) are refused by name.
const (
	oggPacket  = 64 << 10 // longest packet that is read, bytes
	oggDamaged = 64       // packets that do not decode, before the file is given up
	oggGranule = 48000    // of its positions, whatever the rate of the audio is
)

// oggReader is a source over Opus in Ogg at the rate and with the channels that
// are asked for: the decoder mixes, and rates above are the codec's own business.
type oggReader struct {
	pages   *ogg.Reader
	hz      int
	lanes   int // channels that come out
	dec     *gopus.Decoder
	gain    float32
	packet  [oggPacket]byte
	pcm     [codec.OpusLongest]int16
	ready   []int16 // decoded, not read yet; interleaved
	skip    int     // samples of each lane of the encoder's run-in that are still to be dropped
	made    int64   // samples of each lane handed out
	damaged int

	begun   bool // the next packet is there, or err
	size    int
	granule uint64
	err     error
}

// newOggReader reads one channel at 16 kHz, for playing.
func newOggReader(in io.Reader) (*oggReader, error) { return openOgg(in, audio.WideRate, 1) }

// openOgg begins a file; lanes 0 are as many as the file has.
func openOgg(in io.Reader, hz, lanes int) (*oggReader, error) {
	pages, err := ogg.NewReader(in)
	switch {
	case err != nil:
		return nil, fmt.Errorf("there is no Opus in this Ogg file: %w", err)
	case pages.Header.Channels < 1 || pages.Header.Channels > 2:
		return nil, fmt.Errorf("%d channels of Opus are not played, 1 or 2 are", pages.Header.Channels)
	}
	lanes = cmp.Or(lanes, int(pages.Header.Channels))
	dec, err := gopus.NewDecoder(gopus.DecoderConfig{SampleRate: hz, Channels: lanes, MaxPacketSamples: codec.OpusLongest})
	if err != nil {
		return nil, fmt.Errorf("opus: %w", err)
	}
	gain := math.Pow(10, float64(pages.Header.OutputGain)/(20*256)) // Q7.8 dB, RFC 7845 §5.1
	return &oggReader{pages: pages, hz: hz, lanes: lanes, dec: dec, gain: float32(gain), skip: int(pages.PreSkip()) * hz / oggGranule}, nil
}

func (o *oggReader) rate() int { return o.hz }

func (o *oggReader) read(dst []float32) (n int, err error) {
	for n < len(dst) {
		if len(o.ready) == 0 {
			if err := o.decode(); err != nil {
				return n, err
			}
			continue
		}
		take := min(len(dst)-n, len(o.ready))
		for i, v := range o.ready[:take] {
			dst[n+i] = float32(v) * o.gain
		}
		n, o.ready, o.made = n+take, o.ready[take:], o.made+int64(take/o.lanes)
	}
	return n, nil
}

// decode takes the next packet. The position of the very last one may end the
// audio within it (RFC 7845 §4.4), so that one packet is read ahead.
func (o *oggReader) decode() error {
	if !o.begun {
		o.begun = true
		o.advance()
	}
	if o.err != nil {
		return o.err
	}
	granule := o.granule
	n, err := o.opus(o.packet[:o.size])
	o.advance()
	if err != nil {
		if o.damaged++; o.damaged > oggDamaged {
			return fmt.Errorf("opus: %w", err)
		}
		return nil
	}
	drop := min(o.skip, n)
	o.skip -= drop
	o.ready = o.pcm[drop*o.lanes : n*o.lanes]
	if errors.Is(o.err, io.EOF) && granule > 0 {
		end := (int64(granule) - int64(o.pages.PreSkip())) * int64(o.hz) / oggGranule
		o.ready = o.ready[:max(0, min((end-o.made)*int64(o.lanes), int64(len(o.ready))))]
	}
	return nil
}

// advance reads the packet that comes next. A file that breaks off ends where it
// breaks.
func (o *oggReader) advance() {
	o.size, o.granule, o.err = o.pages.ReadPacketInto(o.packet[:])
	if errors.Is(o.err, io.ErrUnexpectedEOF) {
		o.err = io.EOF
	}
}

// opus decodes a packet; one that breaks the library is an error.
func (o *oggReader) opus(packet []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the packet breaks the decoder: %v", r)
		}
	}()
	return o.dec.DecodeInt16(packet, o.pcm[:])
}

// How recordings are encoded: bits a second and channel that are ample for
// telephone speech (RFC 6716 §2.1.1).
const (
	oggBitrate = 20000
	oggFrames  = 3 // of 20 ms in a packet: each has a page of its own, with a header
)

// EncodeOgg writes a recording, WAV of 16 bit, as Opus in Ogg with the same
// channels. It takes about a hundredth of the time the audio lasts, of one core.
// Errors: fault.Media for another file.
func EncodeOgg(in io.Reader, out io.Writer) error {
	src, err := newWAVReader(in)
	if err != nil {
		return undecodable(err)
	}
	f := src.format
	if f.tag != wavePCM || f.bits != 16 || f.channels > 2 || oggGranule%f.rate != 0 {
		return undecodable(errors.New("this is no recording"))
	}
	enc, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: f.rate, Channels: f.channels, Application: gopus.ApplicationVoIP})
	if err != nil {
		return fmt.Errorf("media: opus: %w", err)
	}
	samples, tick := oggFrames*f.rate/audio.FramesPerSec, oggGranule/f.rate
	if err := errors.Join(enc.SetFrameSize(samples), enc.SetBitrate(oggBitrate*f.channels), enc.SetComplexity(codec.OpusComplexity)); err != nil {
		return fmt.Errorf("media: opus: %w", err)
	}
	w, err := ogg.NewWriterWithConfig(out, ogg.WriterConfig{
		SampleRate: uint32(f.rate), Channels: uint8(f.channels), PreSkip: uint16(enc.Lookahead() * tick), StreamCount: 1, CoupledCount: uint8(f.channels - 1),
	})
	if err != nil {
		return fmt.Errorf("media: ogg: %w", err)
	}
	frame, packet := make([]int16, samples*f.channels), make([]byte, 2*codec.MaxPayload)
	held := enc.Lookahead() // samples that the encoder gives out later than it takes them
	for ended := false; !ended || held > 0; {
		n, err := src.interleaved(frame)
		if err != nil {
			return undecodable(err)
		}
		if n < len(frame) {
			ended = true
			clear(frame[n:])
			held -= samples - n/f.channels
		}
		size, err := enc.EncodeInt16(frame, packet)
		if err == nil {
			err = w.WritePacket(packet[:size], samples*tick)
		}
		if err != nil {
			return fmt.Errorf("media: ogg: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("media: ogg: %w", err)
	}
	return nil
}

// DecodeOgg writes a recording, Opus in Ogg, as WAV of 16 bit at 8000 Hz with
// the same channels, for those who take nothing else. The sizes in its header
// are not filled in: [RepairWAV] does that when the file is complete.
// Errors: fault.Media for another file.
func DecodeOgg(in io.Reader, out io.Writer) error {
	src, err := openOgg(in, audio.SampleRate, 0)
	if err != nil {
		return undecodable(err)
	}
	if _, err := out.Write(WAVHeader(src.lanes)); err != nil {
		return fmt.Errorf("media: wav: write header: %w", err)
	}
	block, bytes := make([]float32, audio.SampleRate*src.lanes), make([]byte, 0, 2*audio.SampleRate*src.lanes)
	for {
		n, err := src.read(block)
		bytes = bytes[:0]
		for _, v := range block[:n] {
			bytes = binary.LittleEndian.AppendUint16(bytes, uint16(int16(max(math.MinInt16, min(math.MaxInt16, v)))))
		}
		if _, werr := out.Write(bytes); werr != nil {
			return fmt.Errorf("media: wav: %w", werr)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return undecodable(err)
		}
	}
}
