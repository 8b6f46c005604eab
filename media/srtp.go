package media

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/loopstart/loopstart/media/codec"
)

const (
	// replayWindow is how many packets back a repetition is recognised, twice
	// what RFC 3711 §3.3.2 asks for at least.
	replayWindow = 128
	// maxSources is how many SSRCs may be seen under one key; a peer that goes
	// on inventing more is not heard.
	maxSources = 32
	// keyOverlap is how long packets under the key before are still taken after
	// a change of keys: they may be under way.
	keyOverlap = 2 * time.Second
	// sealRoom is what encryption adds to a packet at most: an authentication
	// tag, and in SRTCP an index.
	sealRoom = 32
	// unreadableRow is how many packets in a row that no key opens make it clear
	// that the keys differ.
	unreadableRow = 50
)

// sealScratch is what a shard needs to encrypt and decrypt packets, so that
// none of them allocates. What is shared or still needed is never encrypted in
// place: prompts are many calls' own.
type sealScratch struct {
	plain, sealed [codec.MaxPacket + sealRoom]byte
	opened        [codec.MaxPacket]byte
	rtp           rtp.Header
	rtcp          rtcp.Header
}

// sealer encrypts one session's RTP and RTCP. After the session's start it
// belongs to the shard.
type sealer struct{ ctx *srtp.Context }

func newSealer(s *suite, material []byte) (*sealer, error) {
	ctx, err := srtp.CreateContext(material[:s.key], material[s.key:], s.profile)
	if err != nil {
		return nil, err
	}
	return &sealer{ctx}, nil
}

// rtp encrypts a packet into sc; nil when it is too long or the key is used up.
func (x *sealer) rtp(sc *sealScratch, head *[rtpHeader]byte, payload []byte) []byte {
	n := rtpHeader + len(payload)
	if n > codec.MaxPacket {
		return nil
	}
	copy(sc.plain[:], head[:])
	copy(sc.plain[rtpHeader:], payload)
	out, err := x.ctx.EncryptRTP(sc.sealed[:0], sc.plain[:n], &sc.rtp)
	if err != nil {
		return nil
	}
	return out
}

// rtcp encrypts a compound packet, which may not lie in sc.sealed.
func (x *sealer) rtcp(sc *sealScratch, b []byte) []byte {
	if len(b) > codec.MaxPacket {
		return nil
	}
	out, err := x.ctx.EncryptRTCP(sc.sealed[:0], b, &sc.rtcp)
	if err != nil {
		return nil
	}
	return out
}

// rollover is how often the sequence numbers of a source have begun anew under
// this key.
func (x *sealer) rollover(ssrc uint32) uint32 {
	roc, _ := x.ctx.ROC(ssrc)
	return roc
}

// opener checks and decrypts what the peer sends. After the session's start it
// belongs to the shard.
type opener struct {
	ctx     *srtp.Context
	sources int

	// A new key in the middle of a stream: some go on counting rollovers, as
	// RFC 3711 §3.3.1 has it, some begin anew. The first packet that one of the
	// two opens decides.
	spare *srtp.Context
	// before is the key before this one, for a short time.
	before      *opener
	beforeUntil time.Duration

	row int // packets that were not opened, since the last good one
}

// newOpener makes an opener for their key; again: not the first one of the
// session.
func newOpener(c *cryptoLine, again bool) (o *opener, err error) {
	o = &opener{}
	if o.ctx, err = openContext(c); err == nil && again {
		o.spare, err = openContext(c)
	}
	return o, err
}

func openContext(c *cryptoLine) (*srtp.Context, error) {
	s := c.suite
	return srtp.CreateContext(c.material[:s.key], c.material[s.key:], s.profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow), srtp.MasterKeyIndicator(c.mki))
}

// follow takes over from the key before at a time; ssrc is the source that has
// sent last.
func (o *opener) follow(before *opener, ssrc uint32, at time.Duration) {
	o.beforeUntil = at + keyOverlap
	if before == nil {
		o.spare = nil
		return
	}
	before.before, before.spare = nil, nil
	o.before = before
	if roc, known := before.ctx.ROC(ssrc); o.spare != nil && known && roc > 0 {
		o.spare.SetROC(ssrc, roc)
		return
	}
	o.spare = nil
}

// opened is how a packet went.
type opened uint8

const (
	openedWell     opened = iota
	openedNot             // of another key, changed, or no SRTP at all
	openedRepeated        // a replay
)

// rtp checks and decrypts a packet into sc.
func (o *opener) rtp(sc *sealScratch, b []byte, at time.Duration) ([]byte, opened) {
	if len(b) < rtpHeader {
		return nil, openedNot
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	out, how := o.with(o.ctx, sc, b, ssrc)
	if how != openedWell && o.spare != nil {
		if out, how = o.with(o.spare, sc, b, ssrc); how == openedWell {
			o.ctx = o.spare
		}
	}
	if how == openedWell {
		o.spare, o.row = nil, 0
		return out, how
	}
	if o.before != nil && how == openedNot {
		if at < o.beforeUntil {
			if out, h := o.before.with(o.before.ctx, sc, b, ssrc); h == openedWell {
				return out, h
			}
		} else {
			o.before = nil
		}
	}
	if how == openedNot {
		o.row++
	}
	return nil, how
}

func (o *opener) with(ctx *srtp.Context, sc *sealScratch, b []byte, ssrc uint32) ([]byte, opened) {
	_, known := ctx.ROC(ssrc)
	if !known && o.sources >= maxSources {
		return nil, openedNot
	}
	out, err := ctx.DecryptRTP(sc.opened[:0], b, &sc.rtp)
	switch {
	case err == nil:
		if !known {
			o.sources++
		}
		return out, openedWell
	case known && !errors.Is(err, srtp.ErrFailedToVerifyAuthTag) && !errors.Is(err, srtp.ErrMKINotFound):
		return nil, openedRepeated // or a stump of a packet
	}
	return nil, openedNot
}

// rtcp checks and decrypts a compound packet into sc; nil when it is to be
// dropped.
func (o *opener) rtcp(sc *sealScratch, b []byte, at time.Duration) []byte {
	if len(b) < 8 {
		return nil
	}
	_, known := o.ctx.Index(binary.BigEndian.Uint32(b[4:]))
	if !known && o.sources >= maxSources {
		return nil
	}
	out, err := o.ctx.DecryptRTCP(sc.opened[:0], b, &sc.rtcp)
	if err != nil && o.before != nil && at < o.beforeUntil {
		out, err = o.before.ctx.DecryptRTCP(sc.opened[:0], b, &sc.rtcp)
	}
	if err != nil {
		return nil
	}
	if !known {
		o.sources++
	}
	return out
}
