package sip

import (
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/loopstart/loopstart/sip/location"
)

// phonePings keep the way to registered phones behind a NAT open: most NATs
// forget a UDP flow after 30 s or so, and phones register for minutes.
type phonePings struct {
	wake    *waker
	running sync.WaitGroup
}

// openPings starts the goroutine that pings; it sleeps while Config.KeepAlive
// is 0. It ends with the endpoint's context.
func (e *Endpoint) openPings() {
	p := &e.pings
	p.wake = newWaker(e.clk)
	p.running.Go(func() {
		defer p.wake.close()
		for {
			select {
			case <-p.wake.C:
				e.pingPhones()
				e.armPings(e.cfg.Load())
				p.wake.done()
			case <-e.ctx.Done():
				return
			}
		}
	})
}

// armPings sets when the phones are pinged next.
func (e *Endpoint) armPings(cfg *Config) {
	if cfg.KeepAlive > 0 {
		e.pings.wake.arm(max(cfg.KeepAlive, minKeepAlive))
	} else {
		e.pings.wake.disarm()
	}
}

func (e *Endpoint) pingPhones() {
	defer func() {
		if r := recover(); r != nil {
			e.panicked(r, debug.Stack())
		}
	}()
	pinged := map[netip.AddrPort]bool{} // several phones may share a flow
	for _, user := range e.locations.Users() {
		for _, b := range e.locations.Lookup(user) {
			if needsPing(b) && !pinged[b.Source] {
				pinged[b.Source] = true
				e.ping(b)
			}
		}
	}
}

// ping sends a double CRLF (RFC 5626 §3.5.1) by the flow of the registration.
func (e *Endpoint) ping(b location.Binding) {
	crlf := []byte("\r\n\r\n")
	if b.Transport == "udp" {
		if s := e.socketTo(b.Source); s != nil {
			_, _ = s.write(crlf, b.Source) // counted there
		}
		return
	}
	if c := e.hub.lookup(b.Source.String()); c != nil {
		_, _ = c.Write(crlf) // a dead connection shows in the next read
	}
}

// needsPing tells whether a phone registered from another address than the one
// it believes it has. What came by a proxy (Path) is the proxy's to keep, and
// WebSockets have pings of their own.
func needsPing(b location.Binding) bool {
	if len(b.Path) > 0 || strings.HasPrefix(b.Transport, "ws") {
		return false
	}
	a, err := ParseAddress(b.Contact)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(strings.Trim(a.Host, "[]"))
	return err != nil || ip.Unmap() != b.Source.Addr().Unmap()
}
