package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// A listener may be of an address that no interface has yet: a lease that is still
// to come, a tunnel that is not up. Linux binds to it all the same and serves it
// from the moment on at which the address is there, so that nothing is bound
// later and no port is lost to another program meanwhile.

// bind opens one listener.
func (e *Endpoint) bind(l Listener) error {
	var late bool
	var err error
	switch l.Transport {
	case "udp":
		var s *udpSocket
		if s, late, err = e.listenUDP(l.Addr); err == nil {
			e.udp = append(e.udp, s)
		}
	case "tcp", "ws":
		late, err = e.hub.listen(l.Transport, l.Addr)
	case "tls", "wss":
		if err := e.checkTLS(); err != nil {
			return err
		}
		late, err = e.hub.listen(l.Transport, l.Addr)
	default:
		return fault.New(fault.Invalid, "sip: transport %q is unknown", l.Transport).WithExit(fault.ExitConfig)
	}
	if err != nil {
		return e.cannotListen(l, err)
	}
	e.tie(l.Addr.Addr(), late)
	return nil
}

func (e *Endpoint) cannotListen(l Listener, err error) error {
	f := fault.New(fault.Unavailable, "sip: cannot listen on %s: %w", l, err).WithExit(fault.ExitBind)
	if why := netx.NeverOurs(l.Addr.Addr()); why != "" && errors.Is(err, syscall.EADDRNOTAVAIL) {
		return f.WithHint("%s is not of this machine, and %s; this machine has %s", l.Addr.Addr(), why, e.haveText())
	}
	return f.WithHint("another program uses port %d, or the address is not of this machine; see ss -lnup and ss -lntp", l.Addr.Port())
}

// String is the listener as the configuration writes it.
func (l Listener) String() string { return l.Transport + "://" + l.Addr.String() }

// tie notes an address that comes and goes with an interface. One that was bound
// though no interface has it is served in another way (a local route, say).
func (e *Endpoint) tie(a netip.Addr, late bool) {
	if late || e.onInterface(a) {
		if e.tied == nil {
			e.tied = map[netip.Addr]bool{}
		}
		e.tied[a.Unmap()] = true
	}
}

func (e *Endpoint) onInterface(a netip.Addr) bool {
	return slices.ContainsFunc(*e.view.Load(), func(p netip.Prefix) bool { return p.Addr().Unmap() == a.Unmap() })
}

// absent tells that a listener's address is not on this machine now.
func (e *Endpoint) absent(bound netip.Addr) bool {
	return e.tied[bound.Unmap()] && !e.onInterface(bound)
}

// Absent lists the listeners whose address is not on this machine now: they serve
// when an interface has it.
func (e *Endpoint) Absent() (out []Listener) {
	for _, l := range e.cfg.Load().Listen {
		if e.absent(l.Addr.Addr()) {
			out = append(out, l)
		}
	}
	return out
}

// tellAbsent warns of them once, at the start.
func (e *Endpoint) tellAbsent() {
	for _, l := range e.Absent() {
		e.log.Warn("a listener waits: no interface has its address yet", "listener", l.String(), "addresses", e.haveText(), "hint", e.absentHint(l.Addr.Addr()))
	}
}

// absentHint says what to look at, besides waiting.
func (e *Endpoint) absentHint(a netip.Addr) string {
	if netx.Public(a) && !slices.ContainsFunc(*e.view.Load(), func(p netip.Prefix) bool { return netx.Public(p.Addr()) }) {
		return "it is served as soon as an interface has it. Behind NAT no interface ever will: listen on 0.0.0.0 and name it in sip.advertise"
	}
	return "it is served as soon as an interface has it; if that is not to be expected, correct sip.listen"
}

// haveText lists the addresses of this machine for a person.
func (e *Endpoint) haveText() string {
	var out []string
	for _, p := range *e.view.Load() {
		if !p.Addr().IsLoopback() {
			out = append(out, p.Addr().String())
		}
	}
	if len(out) == 0 {
		return "loopback only"
	}
	return strings.Join(out, ", ")
}

// tellListeners says which listeners begin and cease to be reached.
func (e *Endpoint) tellListeners(m Move) {
	for _, l := range e.cfg.Load().Listen {
		switch a := l.Addr.Addr().Unmap(); {
		case !e.tied[a]:
		case slices.Contains(m.Came, a):
			e.log.Info("a listener is up: an interface has its address", "listener", l.String())
		case slices.Contains(m.Gone, a):
			e.log.Warn("a listener waits: its address is gone from the machine", "listener", l.String())
		}
	}
}

// Unready says why nobody can reach this endpoint at all; nil when a listener
// is up.
func (e *Endpoint) Unready() error {
	absent := e.Absent()
	if len(absent) == 0 || len(absent) < len(e.cfg.Load().Listen) {
		return nil
	}
	return fault.New(fault.Unavailable, "sip: no listener is up: %s waits for its address", fmt.Sprint(absent[0])).
		WithHint("this machine has %s; %s", e.haveText(), e.absentHint(absent[0].Addr.Addr()))
}

// noListener is the error of a way on which there is no socket.
func (e *Endpoint) noListener() error {
	if len(e.Absent()) > 0 {
		return errAbsent
	}
	return errNoListener
}
