package media

import (
	"math/rand/v2"
	"net/netip"

	"github.com/loopstart/loopstart/media/srtp"
)

// secure gives an agreement the contexts for its keys. A key that stays keeps
// its context, with its rollover counter and replay window, through holds,
// session refreshes and repeated answers.
func (s *Session) secure(a *agreement, c *srtp.Key) {
	if c == nil {
		s.opener, s.opens = nil, nil
		return
	}
	a.secured = true
	key := s.local.Keys.Of(c.Suite)
	var err error
	if key.Seal == nil {
		if key.Seal, err = srtp.NewOutgoing(c.Suite, key.Material); err != nil {
			return // nothing is sent
		}
	}
	if s.opener == nil || !s.opens.Equal(c) {
		if s.opener, err = srtp.NewIncoming(c, s.opener != nil); err != nil {
			s.opener = nil
			return // nothing is taken
		}
	}
	s.opens = c
	a.seal, a.open = key.Seal, s.opener
}

// rekey puts the contexts of an agreement into force; before is the agreement
// until now.
func (l *leg) rekey(sh *shard, before, a *agreement) {
	if before == nil {
		before = &agreement{}
	}
	if a.open != nil && a.open != before.open {
		a.open.Follow(before.open, l.rx.ssrc, sh.at)
	}
	if a.seal == nil || before.seal == nil || a.seal == before.seal || before.seal.Rollover(l.send.ssrc) == 0 {
		return
	}
	// Whether rollovers go on being counted under a new key is read both ways:
	// a new source has none.
	l.send.ssrc, l.send.gap = rand.Uint32(), true
}

// unseal checks and decrypts a datagram of the RTP socket; nil: dropped. A
// third party's packets cost no cryptography.
func (l *leg) unseal(sh *shard, b []byte, from netip.AddrPort) []byte {
	a := l.agreed
	if l.src.foreign(from, b, sh.now) {
		l.drop(sh, DropSource)
		return nil
	}
	if a.open == nil {
		l.drop(sh, DropCrypto)
		return nil
	}
	out, how := a.open.RTP(&sh.seal, b, sh.at)
	switch how {
	case srtp.Repeated:
		l.drop(sh, DropDuplicate)
	case srtp.NotOpened:
		l.drop(sh, DropCrypto)
		if a.open.Row == srtp.UnreadableRow {
			sh.emit(l.s, Event{Kind: MediaUnreadable})
		}
	}
	return out
}

// sealed is the packet of sh.head and payload, encrypted; nil when it cannot
// be.
func (l *leg) sealed(sh *shard, payload []byte) []byte {
	if l.agreed.seal == nil {
		return nil
	}
	return l.agreed.seal.RTP(&sh.seal, &sh.head, payload)
}

func (a *agreement) sealReports(sh *shard, b []byte) []byte {
	if a.seal == nil {
		return nil
	}
	return a.seal.RTCP(&sh.seal, b)
}

func (a *agreement) openReports(sh *shard, b []byte) []byte {
	if a.open == nil {
		return nil
	}
	return a.open.RTCP(&sh.seal, b, sh.at)
}
