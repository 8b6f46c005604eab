package media

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
)

// secure gives an agreement the contexts for its keys. A key that stays keeps
// its context, with its rollover counter and replay window, through holds,
// session refreshes and repeated answers.
func (s *Session) secure(a *agreement, c *cryptoLine) {
	if c == nil {
		s.opener, s.opens = nil, nil
		return
	}
	a.secured = true
	key := s.local.Keys.of(c.suite)
	var err error
	if key.seal == nil {
		if key.seal, err = newSealer(c.suite, key.material); err != nil {
			return // nothing is sent
		}
	}
	if s.opener == nil || !s.opens.sameKey(c) {
		if s.opener, err = newOpener(c, s.opener != nil); err != nil {
			s.opener = nil
			return // nothing is taken
		}
	}
	s.opens = c
	a.seal, a.open = key.seal, s.opener
}

func (c *cryptoLine) sameKey(other *cryptoLine) bool {
	return c.suite == other.suite && bytes.Equal(c.material, other.material) && bytes.Equal(c.mki, other.mki)
}

// rekey puts the contexts of an agreement into force; before is the agreement
// until now.
func (l *leg) rekey(sh *shard, before, a *agreement) {
	if before == nil {
		before = &agreement{}
	}
	if a.open != nil && a.open != before.open {
		a.open.follow(before.open, l.rx.ssrc, sh.at)
	}
	if a.seal == nil || before.seal == nil || a.seal == before.seal || before.seal.rollover(l.send.ssrc) == 0 {
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
	if l.src.foreign(from) {
		l.drop(sh, DropSource)
		return nil
	}
	if a.open == nil {
		l.drop(sh, DropCrypto)
		return nil
	}
	out, how := a.open.rtp(&sh.seal, b, sh.at)
	switch how {
	case openedRepeated:
		l.drop(sh, DropDuplicate)
	case openedNot:
		l.drop(sh, DropCrypto)
		if a.open.row == unreadableRow {
			sh.emit(l.s, Event{Kind: MediaUnreadable})
		}
	}
	return out
}

// foreign reports whether no packet from an address can be taken, whatever is
// in it.
func (x *rtpSource) foreign(from netip.AddrPort) bool {
	if x.pinned {
		return from != x.current
	}
	return from != x.described && from.Addr() != x.symmetric
}

// sealed is the packet of sh.head and payload, encrypted; nil when it cannot
// be.
func (l *leg) sealed(sh *shard, payload []byte) []byte {
	if l.agreed.seal == nil {
		return nil
	}
	return l.agreed.seal.rtp(&sh.seal, &sh.head, payload)
}

func (a *agreement) sealReports(sh *shard, b []byte) []byte {
	if a.seal == nil {
		return nil
	}
	return a.seal.rtcp(&sh.seal, b)
}

func (a *agreement) openReports(sh *shard, b []byte) []byte {
	if a.open == nil {
		return nil
	}
	return a.open.rtcp(&sh.seal, b, sh.at)
}
