// Package srtp encrypts and decrypts RTP and RTCP (RFC 3711, RFC 7714) under keys
// that session descriptions carry (RFC 4568): the suites, our keys ([Keyring]),
// what goes out ([Outgoing]) and what comes in ([Incoming]).
//
// # Concurrency
//
// A [Keyring] belongs to the host half of its session; an Outgoing or Incoming
// belongs to the session's shard, which lends its [Scratch].
//
// # Limits
//
// SSRCs under one key and packets in a row that no key opens are bounded; no
// packet allocates.
package srtp

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
	// headerBytes is an RTP header without extensions.
	headerBytes = 12
	// UnreadableRow is how many packets in a row that no key opens make it clear
	// that the keys differ.
	UnreadableRow = 50
)

// Scratch is what a shard needs to encrypt and decrypt packets, so that
// none of them allocates. What is shared or still needed is never encrypted in
// place: prompts are many calls' own.
type Scratch struct {
	plain, sealed [codec.MaxPacket + sealRoom]byte
	opened        [codec.MaxPacket]byte
	rtp           rtp.Header
	rtcp          rtcp.Header
}

// Outgoing encrypts one session's RTP and RTCP. After the session's start it
// belongs to the shard.
type Outgoing struct{ ctx *srtp.Context }

func NewOutgoing(s *Suite, material []byte) (*Outgoing, error) {
	ctx, err := srtp.CreateContext(material[:s.KeyBytes], material[s.KeyBytes:], s.profile)
	if err != nil {
		return nil, err
	}
	return &Outgoing{ctx}, nil
}

// RTP encrypts a packet into sc; nil when it is too long or the key is used up.
func (x *Outgoing) RTP(sc *Scratch, head *[headerBytes]byte, payload []byte) []byte {
	n := headerBytes + len(payload)
	if n > codec.MaxPacket {
		return nil
	}
	copy(sc.plain[:], head[:])
	copy(sc.plain[headerBytes:], payload)
	out, err := x.ctx.EncryptRTP(sc.sealed[:0], sc.plain[:n], &sc.rtp)
	if err != nil {
		return nil
	}
	return out
}

// RTCP encrypts a compound packet, which may not lie in sc.sealed.
func (x *Outgoing) RTCP(sc *Scratch, b []byte) []byte {
	if len(b) > codec.MaxPacket {
		return nil
	}
	out, err := x.ctx.EncryptRTCP(sc.sealed[:0], b, &sc.rtcp)
	if err != nil {
		return nil
	}
	return out
}

// Rollover is how often the sequence numbers of a source have begun anew under
// this key.
func (x *Outgoing) Rollover(ssrc uint32) uint32 {
	roc, _ := x.ctx.ROC(ssrc)
	return roc
}

// Incoming checks and decrypts what the peer sends. After the session's start it
// belongs to the shard.
type Incoming struct {
	ctx     *srtp.Context
	sources int

	// A new key in the middle of a stream: some go on counting rollovers, as
	// RFC 3711 §3.3.1 has it, some begin anew. The first packet that one of the
	// two opens decides.
	spare *srtp.Context
	// before is the key before this one, for a short time.
	before      *Incoming
	beforeUntil time.Duration

	Row int // packets that were not opened, since the last good one
}

// NewIncoming reads what comes under their key; again: not the first one of the
// session.
func NewIncoming(c *Key, again bool) (o *Incoming, err error) {
	o = &Incoming{}
	if o.ctx, err = openContext(c); err == nil && again {
		o.spare, err = openContext(c)
	}
	return o, err
}

func openContext(c *Key) (*srtp.Context, error) {
	s := c.Suite
	return srtp.CreateContext(c.Material[:s.KeyBytes], c.Material[s.KeyBytes:], s.profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow), srtp.MasterKeyIndicator(c.MKI))
}

// Follow takes over from the key before at a time; ssrc is the source that has
// sent last.
func (o *Incoming) Follow(before *Incoming, ssrc uint32, at time.Duration) {
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

// Outcome is how a packet went.
type Outcome uint8

const (
	Opened    Outcome = iota
	NotOpened         // of another key, changed, or no SRTP at all
	Repeated          // a replay
)

// RTP checks and decrypts a packet into sc.
func (o *Incoming) RTP(sc *Scratch, b []byte, at time.Duration) ([]byte, Outcome) {
	if len(b) < headerBytes {
		return nil, NotOpened
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	out, how := o.with(o.ctx, sc, b, ssrc)
	if how != Opened && o.spare != nil {
		if out, how = o.with(o.spare, sc, b, ssrc); how == Opened {
			o.ctx = o.spare
		}
	}
	if how == Opened {
		o.spare, o.Row = nil, 0
		return out, how
	}
	if o.before != nil && how == NotOpened {
		if at < o.beforeUntil {
			if out, h := o.before.with(o.before.ctx, sc, b, ssrc); h == Opened {
				return out, h
			}
		} else {
			o.before = nil
		}
	}
	if how == NotOpened {
		o.Row++
	}
	return nil, how
}

func (o *Incoming) with(ctx *srtp.Context, sc *Scratch, b []byte, ssrc uint32) ([]byte, Outcome) {
	_, known := ctx.ROC(ssrc)
	if !known && o.sources >= maxSources {
		return nil, NotOpened
	}
	out, err := ctx.DecryptRTP(sc.opened[:0], b, &sc.rtp)
	switch {
	case err == nil:
		if !known {
			o.sources++
		}
		return out, Opened
	case known && !errors.Is(err, srtp.ErrFailedToVerifyAuthTag) && !errors.Is(err, srtp.ErrMKINotFound):
		return nil, Repeated // or a stump of a packet
	}
	return nil, NotOpened
}

// RTCP checks and decrypts a compound packet into sc; nil when it is to be
// dropped.
func (o *Incoming) RTCP(sc *Scratch, b []byte, at time.Duration) []byte {
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
