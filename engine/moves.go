package engine

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/loopstart/loopstart/sip"
)

// addressChange is the data of the event address.changed.
type addressChange struct {
	Name string       `json:"name,omitempty"` // that is advertised; "": the machine's interfaces
	Gone []netip.Addr `json:"gone,omitempty"`
	Came []netip.Addr `json:"came,omitempty"`
}

// moved tells that addresses of ours have changed; sip has logged it and told the
// trunks.
func (e *Engine) moved(m sip.Move) {
	if m.Name == "" {
		e.moveCalls(m.Gone)
	}
	data, err := json.Marshal(addressChange(m))
	if err != nil {
		return
	}
	e.emit(nil, Event{Type: "address.changed", At: e.clk.Now(), Data: data})
}

// Running calls look for a way from another address as long as it takes a lease
// or a tunnel to come up.
const (
	moveTries = 15
	movePause = 2 * time.Second
)

// moveCalls takes running calls off addresses that are gone.
func (e *Engine) moveCalls(gone []netip.Addr) {
	if len(gone) == 0 {
		return
	}
	for _, l := range e.calls.list() {
		e.moveCall(l, gone, moveTries)
	}
}

// wayTo is how a peer is reached now.
func (e *Engine) wayTo(peer netip.Addr) (bind, advertise netip.Addr) {
	if bind = e.sip.LocalFor(peer); bind.IsValid() {
		advertise = e.sip.AdvertisedFor(peer)
	}
	return bind, advertise
}

// wayAnew is wayTo for a call whose address has turned out to be gone, before
// anybody has noticed.
func (e *Engine) wayAnew(peer netip.Addr) (bind, advertise netip.Addr) {
	if s, ok := e.sip.(interface{ ForgetRoutes() }); ok {
		s.ForgetRoutes()
	}
	return e.wayTo(peer)
}

func (e *Engine) moveCall(l *live, gone []netip.Addr, tries int) {
	l.Do(func() {
		if l.Relocate(gone, e.wayTo, tries == 1) > 0 && e.ctx.Err() == nil {
			e.clk.AfterFunc(movePause, func() { e.moveCall(l, gone, tries-1) })
		}
	})
}

// roam tells the calls of a user from where it has just registered.
func (e *Engine) roam(user string, to netip.Addr) {
	for _, l := range e.calls.list() {
		if l.Spec().User == user || l.Rings(user) {
			l.Do(func() { l.Roam(user, to) })
		}
	}
}
