package sip

import (
	"context"
	"net/netip"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// trunks is the endpoint's side of trunks. HOOK: placeholder, the builder of
// the trunks replaces this file and keeps the signatures.
type trunks struct{}

// TrunkStatus is how a trunk stands.
type TrunkStatus struct {
	Name       string
	Address    netip.AddrPort // where packets go; invalid before resolution
	Transport  string
	Registered bool
	Reachable  bool // by the last OPTIONS or REGISTER
	Code       int  // of the last answer
	Reason     string
	Since      time.Time
	Next       time.Time // next attempt
}

// TrunkReport is what CheckTrunk found, step by step.
type TrunkReport struct {
	Name  string
	Steps []TrunkStep
}

// TrunkStep is one message of a check and what became of it.
type TrunkStep struct {
	What   string // "resolve", "options", "register"
	Target string
	Code   int
	Reason string
	Words  string // what it means
	Took   time.Duration
}

// openTrunks prepares trunks before the sockets open, startTrunks begins
// REGISTER and OPTIONS when they are open, closeTrunks ends all of it.
func (e *Endpoint) openTrunks() error { return nil }

func (e *Endpoint) startTrunks() {}

func (e *Endpoint) closeTrunks() {}

// updateTrunks takes a new configuration.
func (e *Endpoint) updateTrunks(cfg *Config) {}

// trunkFor finds the trunk of a request by the registered Contact that its
// Request-URI names, else by its source.
func (e *Endpoint) trunkFor(source netip.AddrPort, requestUser string) (name string, ok bool) {
	return "", false
}

// planTrunk addresses a call through a trunk; an unknown one is fault.NotFound.
func (e *Endpoint) planTrunk(o Outgoing) (plan, error) {
	return plan{}, fault.New(fault.NotFound, "sip: no trunk %s", o.Target.Trunk)
}

// resolve finds the hops of an address by RFC 3263, best first.
func (e *Endpoint) resolve(ctx context.Context, next Address) ([]hop, error) {
	ip, err := netip.ParseAddr(next.Host)
	if err != nil {
		return nil, fault.New(fault.Network, "sip: resolve %s: %w", next.Host, err)
	}
	return []hop{{"udp", netip.AddrPortFrom(ip, uint16(next.Port))}}, nil
}

// Trunks lists the trunks in the order of the configuration.
func (e *Endpoint) Trunks() []TrunkStatus { return nil }

// CheckTrunk registers and pings once and tells each answer in words.
func (e *Endpoint) CheckTrunk(ctx context.Context, name string) (TrunkReport, error) {
	return TrunkReport{}, fault.New(fault.NotFound, "sip: no trunk %s", name)
}
