package media

import (
	"net/netip"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/detect"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/srtp"
)

// Offer is our first offer. Accept takes the answer to it.
func (s *Session) Offer() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offer(s.local.Direction)
}

// Reoffer is an offer for a re-INVITE or UPDATE with another direction of
// ours: SendOnly or Inactive to hold, SendRecv to resume. Nothing changes
// before Accept.
func (s *Session) Reoffer(dir sdp.Direction) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offer(dir)
}

func (s *Session) offer(dir sdp.Direction) []byte {
	l := s.following()
	l.Direction = dir
	s.offered = &l
	return sdp.BuildOffer(l)
}

// following is our side of the next exchange; before the first one it is the
// first one.
func (s *Session) following() sdp.Local {
	if s.agreed {
		// Only the key in use stays; what comes later begins with a fresh one.
		var used *srtp.Suite
		if k := s.remote.MasterKey(); k != nil {
			used = k.Suite
		}
		s.local.Keys.Keep(used)
		return s.local.Following(s.remote)
	}
	return s.local
}

// Answer answers an offer, also in a re-INVITE. On an error nothing changes.
func (s *Session) Answer(offer []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.following()
	answer, r, err := sdp.BuildAnswer(l, offer)
	if err != nil {
		return nil, err
	}
	s.offered = nil
	s.agree(l, r)
	return answer, nil
}

// Accept takes the answer to Offer or Reoffer. On an error nothing changes.
func (s *Session) Accept(answer []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.local
	if s.offered != nil {
		l = *s.offered
	}
	r, err := sdp.ReadAnswer(l, answer)
	if err != nil {
		return err
	}
	s.offered = nil
	s.agree(l, r)
	return nil
}

// agree takes what an exchange has agreed on.
func (s *Session) agree(l sdp.Local, r sdp.Remote) {
	s.named(&r)
	s.inForce(l, r)
}

// inForce puts an agreement into force.
func (s *Session) inForce(l sdp.Local, r sdp.Remote) {
	recode := s.agreed && s.remote.Codec != r.Codec || !s.agreed
	s.local, s.remote, s.agreed = l, r, true
	c := command{kind: cmdAgree, agreed: newAgreement(r), coders: newCoders(r), tones: s.tonesFor(r)}
	s.secure(c.agreed, r.MasterKey())
	if recode && s.current != nil {
		again := newPlayer(s.current.id, s.partsAsked, Playback{Loop: s.current.loop})
		again.encode(s.engine, s.partsAsked, r.Codec)
		c.recoded = again
	}
	s.post(c)
}

// tonesFor listens for keys in the audio of a peer that has no
// telephone-events; nil when that is not wanted.
func (s *Session) tonesFor(r sdp.Remote) *detect.KeyReceiver {
	if r.EventSend.PT != 0 || s.opts.Digits == DigitsEvents || s.opts.Digits == DigitsInfo {
		return nil
	}
	return detect.NewKeyReceiver()
}

// Negotiated is what the last exchange agreed on; its zero value before.
func (s *Session) Negotiated() sdp.Remote {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remote
}

// agreement is a Remote in the form that the shard looks things up in. It is
// immutable.
type agreement struct {
	rtp, rtcp netip.AddrPort
	codec     *codec.Codec
	sendPT    uint8
	eventPT   uint8 // to send, 0 = none
	eventHz   int
	sends     bool // we may send
	receives  bool // they may send
	formats   []sdp.AudioFormat
	events    []sdp.EventFormat
	mux       bool           // RTCP comes and goes on the RTP socket
	secured   bool           // SRTP: nothing is sent or taken without
	seal      *srtp.Outgoing // of what we send
	open      *srtp.Incoming // of what they send
	byPT      [128]uint8     // 0 unknown, 1… index+1 in formats, eventKind+index in events
}

const (
	eventKind   = 128
	comfortKind = 127 // RFC 3389, counted as received and otherwise ignored
	comfortPT   = 13
)

func newAgreement(r sdp.Remote) *agreement {
	a := &agreement{
		rtp: unmap(r.Addr), rtcp: unmap(r.RTCP), codec: r.Codec, sendPT: r.SendPT,
		eventPT: r.EventSend.PT, eventHz: r.EventSend.Clock,
		mux: r.Mux, receives: r.Effective.Receives(), formats: r.Formats, events: r.EventPT,
	}
	a.sends = r.Effective.Sends() && r.Codec != nil && reachable(a.rtp)
	a.byPT[comfortPT] = comfortKind
	for i, f := range r.Formats {
		a.byPT[f.PT&127] = uint8(i + 1)
	}
	for i, f := range r.EventPT {
		a.byPT[f.PT&127] = uint8(eventKind + i)
	}
	return a
}

// reachable reports whether something can be sent to an address of an SDP,
// where 0.0.0.0 and port 0 have meanings of their own.
func reachable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified()
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
