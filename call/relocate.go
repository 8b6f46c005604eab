package call

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/loopstart/loopstart/media"
)

// Way is how a peer is reached now: the address of ours that packets leave from,
// invalid when there is none, and the one that the peer is told.
type Way func(peer netip.Addr) (bind, advertise netip.Addr)

// Relocate moves the audio of every party that was reached from an address which
// is gone, and tells the party by a re-INVITE. It returns how many have no way
// yet; the last try notes that for them, and their call ends when media.timeout
// says so. Call goroutine only.
func (c *Call) Relocate(gone []netip.Addr, way Way, last bool) (stranded int) {
	for _, l := range c.legsInOrder() {
		if !l.alive() || l.state != legUp || l.session == nil {
			continue
		}
		old := l.session.LocalAddr().Addr()
		if !slices.Contains(gone, old) {
			continue
		}
		bind, advertise := way(l.session.Peer())
		switch {
		case bind == old: // it is back
		case bind.IsValid() && !slices.Contains(gone, bind):
			l.relocate(old, bind, advertise)
		case last:
			l.note("media", fmt.Sprintf("our address %s is gone, and there is no other way to the party", old), "")
		default:
			stranded++
		}
	}
	return stranded
}

func (l *Leg) relocate(old, bind, advertise netip.Addr) {
	if err := l.session.Move(bind, advertise); err != nil {
		l.note("media", fmt.Sprintf("our address %s is gone: %s", old, err), "")
		return
	}
	l.note("media", fmt.Sprintf("our address %s is gone, the audio goes on from %s", old, bind), "")
	dir := media.SendRecv
	if l.holding {
		dir = media.SendOnly
	}
	if err := l.dialog.Reoffer(l.session.Reoffer(dir)); err != nil {
		l.note("media", "the new address could not be told: "+err.Error(), "")
		return
	}
	l.reoffer = append(l.reoffer, func(code int, _ []byte) {
		if code/100 != 2 {
			l.note("media", fmt.Sprintf("the other side answered %d to our new address", code), "")
		}
	})
}
