package sip

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// nowhere is an address that no test machine has.
const nowhere = "10.254.253.252"

// TestListenerWaitsForItsAddress: it is bound, told of, and comes up and goes down
// with the interface; the others serve meanwhile.
func TestListenerWaitsForItsAddress(t *testing.T) {
	cfg := Config{Listen: []Listener{listen("udp", nowhere+":0"), listen("tcp", nowhere+":0"), listen("udp", "127.0.0.1:0"), listen("udp", "10.0.0.5:0")}}
	e := paper(t, cfg, "127.0.0.1/8", map[string]string{"10.0.0.9": "10.0.0.5", "10.254.253.9": nowhere, "127.0.0.1": "127.0.0.1"})
	var out bytes.Buffer
	e.log, e.hub = slog.New(slog.NewTextHandler(&out, nil)), newTCPHub(e)
	e.live.Store(&[]*trunk{})
	t.Cleanup(e.closeSockets)
	for _, l := range cfg.Listen {
		if err := e.bind(l); err != nil {
			t.Fatal(err)
		}
	}
	e.tellAbsent()
	if got := e.Absent(); len(got) != 3 || e.Unready() != nil {
		t.Fatalf("absent: %v, %v", got, e.Unready())
	}
	if text := out.String(); strings.Count(text, "a listener waits") != 3 || !strings.Contains(text, "listener=udp://"+nowhere+":0") || !strings.Contains(text, "loopback only") {
		t.Errorf("the log says %s", text)
	}
	if a := e.LocalAddr("udp").Addr(); !a.IsLoopback() {
		t.Errorf("we are reached at %s", a)
	}
	if s := e.socketFor(ip("10.254.253.9")); s != nil {
		t.Errorf("a packet would leave by %s", s.local)
	}
	if err := e.noListener(); err != errAbsent {
		t.Error(err)
	}

	come := func(list ...string) {
		out.Reset()
		e.interfaces = func() (view []netip.Prefix, err error) {
			for _, p := range list {
				view = append(view, netip.MustParsePrefix(p))
			}
			return view, nil
		}
		e.lookAround()
	}
	come(nowhere+"/24", "127.0.0.1/8")
	if got := e.Absent(); len(got) != 1 || strings.Count(out.String(), "a listener is up") != 2 {
		t.Errorf("with the address: %v, %s", got, &out)
	}
	e.locals.put(ip("10.254.253.9"), localRoute{ip(nowhere), clock.System().Now()})
	if s := e.socketFor(ip("10.254.253.9")); s == nil || s.local.Addr() != ip(nowhere) {
		t.Errorf("with the address a packet leaves by %v", s)
	}
	come("127.0.0.1/8")
	if got := e.Absent(); len(got) != 3 || strings.Count(out.String(), "its address is gone") != 2 {
		t.Errorf("without it again: %v, %s", got, &out)
	}
}

// TestNoListenerIsUp: an endpoint all of whose listeners wait runs and says so.
func TestNoListenerIsUp(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.Listen = []Listener{listen("udp", nowhere+":0")} })
	err := r.Unready()
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), nowhere) || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if s := r.Stats(); s.Absent != 1 {
		t.Errorf("%d absent", s.Absent)
	}
}

// TestWrongListenAddress: what can never be ours, and a port that is taken, end
// the start.
func TestWrongListenAddress(t *testing.T) {
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for addr, want := range map[string]string{
		"203.0.113.5:5060":         "documentation",
		"240.0.0.1:5060":           "no interface can have it",
		taken.LocalAddr().String(): "another program",
	} {
		_, err := Open(Config{Listen: []Listener{listen("udp", addr)}}, Deps{})
		if fault.ExitOf(err) != fault.ExitBind || !strings.Contains(fault.HintOf(err), want) {
			t.Errorf("%s: %v, hint %q", addr, err, fault.HintOf(err))
		}
	}
}
