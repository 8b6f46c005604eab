package sip

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/loopstart/loopstart/sip/registration"
	"github.com/loopstart/loopstart/sip/resolve"
)

// TrunkStatus is how a trunk stands.
type TrunkStatus struct {
	Name       string
	Address    netip.AddrPort // where packets go; invalid before resolution
	Transport  string
	Registers  bool // the configuration wants a registration
	Registered bool
	Checked    bool // a request was answered or failed; before that Reachable tells nothing
	Reachable  bool // by the last OPTIONS or REGISTER
	Lost       bool // it was reachable before, and is not now
	Code       int  // of the last answer; 0: none
	Reason     string
	Since      time.Time // of the last change of Reachable
	Until      time.Time // end of the registration
	Next       time.Time // next REGISTER
	Words      string    // "registered until 10:05:00", "403 Forbidden, next try in 5m0s"
}

// trunkState is what the goroutines of a trunk tell about it.
type trunkState struct {
	mu        sync.Mutex
	reg       registration.State
	hop       hop
	known     bool // something was sent and answered or not
	reachable bool
	met       bool // it was reachable once
	code      int
	reason    string
	since     time.Time
	inbound   *InboundNumbers
	contact   string // of the newest REGISTER that was accepted
}

func (h hop) resolved() resolve.Hop { return resolve.Hop{Addr: h.addr, Transport: h.transport} }

func (s *trunkState) setHop(h hop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hop = h
}

func (s *trunkState) setContact(c string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.contact = c
}

func (s *trunkState) setRegistration(r registration.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reg = r
}

// answered notes an answer: whoever answers is there, but for those that say
// that what is behind them is not.
func (s *trunkState) answered(now time.Time, code int, reason string) {
	s.note(now, code != 408 && code != 503 && code != 504, code, reason)
}

// note reports whether reachability changed.
func (s *trunkState) note(now time.Time, reachable bool, code int, reason string) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = !s.known || s.reachable != reachable
	if changed {
		s.since = now
	}
	s.met = s.met || reachable
	s.known, s.reachable, s.code, s.reason = true, reachable, code, reason
	return changed
}

// status is a copy in the form for others.
func (t *trunk) status(now time.Time) TrunkStatus {
	s := &t.state
	s.mu.Lock()
	defer s.mu.Unlock()
	st := TrunkStatus{
		Name: t.cfg.Name, Address: s.hop.addr, Transport: s.hop.transport,
		Registers: t.cfg.Register && t.active, Registered: s.reg.Alive(now),
		Checked: s.known, Reachable: s.reachable, Lost: s.met && !s.reachable, Code: s.code, Reason: s.reason,
		Since: s.since, Until: s.reg.Until, Next: s.reg.Next,
	}
	switch {
	case st.Registers:
		st.Words = s.reg.Status(now)
	case !s.known:
		st.Words = "not checked"
	case s.reachable:
		st.Words = "reachable"
	case s.code != 0:
		st.Words = fmt.Sprintf("not reachable: %d %s", s.code, s.reason)
	default:
		st.Words = "not reachable: " + s.reason
	}
	return st
}

// Trunks lists the trunks in the order of the configuration.
func (e *Endpoint) Trunks() []TrunkStatus {
	now := e.clk.Now()
	var out []TrunkStatus
	for _, t := range *e.live.Load() {
		out = append(out, t.status(now))
	}
	return out
}

// ResolverStats is a snapshot of the counters of name resolution.
func (e *Endpoint) ResolverStats() resolve.Stats { return e.resolver.Stats() }
