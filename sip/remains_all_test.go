package sip

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// everyMethod is what SIP has and something that it has not.
var everyMethod = []string{
	"OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER", "BYE", "INFO", "UPDATE", "NOTIFY", "PRACK", "REGISTER", "CANCEL", "ACK", "INVITE", "NEWMETHOD",
}

// manner is how a peer speaks to the endpoint.
type manner struct {
	*call
	send   func(text string)
	answer func(method string) packet // the next final answer
	rung   func()                     // has heard 180
	cut    func()                     // ends the connection; nil over UDP
}

// manners are a peer over UDP and one over TCP, both from an address.
func (r *rig) manners(from string) map[string]func() *manner {
	return map[string]func() *manner{
		"UDP": func() *manner {
			p := newPeerOn(r.t, from+":0", r.LocalAddr("udp"))
			return &manner{call: p.newCall(), send: p.raw, answer: p.final, rung: func() { p.response(180, "INVITE") }}
		},
		"TCP": func() *manner {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from + ":0"))}
			conn, err := d.Dial("tcp", r.LocalAddr("tcp").String())
			if err != nil {
				r.t.Fatal(err)
			}
			s := newStream(r.t, conn)
			return &manner{call: r.streamCall(s), send: s.raw, answer: s.final, rung: s.ringing, cut: func() { _ = conn.Close() }}
		},
	}
}

// ringing reads up to 180.
func (s *streamPeer) ringing() {
	s.t.Helper()
	for {
		w, err := s.next()
		if err != nil {
			s.t.Fatal("no 180: ", err)
		}
		if w.code() == 180 {
			return
		}
	}
}

// begin sends an INVITE to whoever does what the name says; see behave.
func (m *manner) begin(whom string, fields ...string) {
	m.target = strings.Replace(m.target, "sip:bob@", "sip:"+whom+"@", 1)
	m.branch = "z9hG4bKb" + m.id
	m.send(m.message("INVITE", 1, m.branch, m.offer, fields...))
}

// up is begin with somebody who answers, and the ACK.
func (m *manner) up() {
	m.begin("answers")
	m.to = m.answer("INVITE").get("To")
	m.send(m.message("ACK", 1, "", ""))
}

// inside sends a request of the call with the next number, that many times.
func (m *manner) inside(method string, times int, fields ...string) {
	if m.seq++; method == "ACK" || method == "CANCEL" {
		m.seq--
	}
	text := m.message(method, m.seq, "", "", fields...)
	for range times {
		m.send(text)
	}
}

// behave takes calls as the user part of their Request-URI says.
func behave(d *Dialog) {
	d.Follow(func(ev Event) {
		if ev.Kind == Offered && d.RequestURI().User != "ponders" {
			_ = d.Respond(ev.ID, 200, []byte(sdp("again")))
		}
	}, func() {})
	switch d.RequestURI().User {
	case "answers", "ponders":
		_ = d.Accept([]byte(sdp("answer")))
	case "refuses":
		_ = d.Reject(486, "")
	case "rings", "late":
		_ = d.Provisional(180, "", nil)
	case "sounds":
		_ = d.Provisional(183, "", []byte(sdp("early")))
	case "fails":
		panic("a defect")
	}
}

// exchanges are calls and requests that a known peer begins, most of them badly.
// Each ends before its call does, if that ends at all.
var exchanges = map[string]func(m *manner){
	"refused":                    func(m *manner) { m.begin("refuses"); m.answer("INVITE"); m.inside("ACK", 1) },
	"refused without ACK":        func(m *manner) { m.begin("refuses"); m.answer("INVITE") },
	"answered without ACK":       func(m *manner) { m.begin("answers"); m.answer("INVITE") },
	"invited twice":              func(m *manner) { m.begin("answers"); m.begin("answers"); m.answer("INVITE") },
	"extension unknown":          func(m *manner) { m.begin("answers", "Require: magic"); m.answer("INVITE") },
	"cut before the answer":      func(m *manner) { m.begin("rings"); m.rung(); m.cutOff() },
	"cut at once":                func(m *manner) { m.begin("rings"); m.cutOff() },
	"cut after the answer":       func(m *manner) { m.up(); m.cutOff() },
	"cut with everything asked":  func(m *manner) { m.up(); m.everything(1); m.cutOff() },
	"answered after the cut":     func(m *manner) { m.begin("late"); m.rung(); m.cutOff() },
	"left ringing":               func(m *manner) { m.begin("rings") },
	"left in silence":            func(m *manner) { m.begin("silent") },
	"never acknowledged 183":     func(m *manner) { m.begin("sounds", "Require: 100rel") },
	"a defect":                   func(m *manner) { m.begin("fails"); m.answer("INVITE") },
	"cancelled":                  func(m *manner) { m.begin("rings"); m.cancelled(1); m.answer("INVITE"); m.inside("ACK", 1) },
	"cancelled often":            func(m *manner) { m.begin("rings"); m.cancelled(5); m.answer("INVITE") },
	"cancelled and cut":          func(m *manner) { m.begin("rings"); m.cancelled(1); m.cutOff() },
	"cancelled before it rings":  func(m *manner) { m.cancelled(1); m.begin("rings"); m.cancelled(1) },
	"cancelled when it is over":  func(m *manner) { m.begin("refuses"); m.answer("INVITE"); m.inside("ACK", 1); m.cancelled(2) },
	"BYE":                        func(m *manner) { m.up(); m.inside("BYE", 3); m.answer("BYE") },
	"everything in a call":       func(m *manner) { m.up(); m.everything(1) },
	"everything twice":           func(m *manner) { m.up(); m.everything(2) },
	"everything, required":       func(m *manner) { m.up(); m.everything(1, "Require: magic") },
	"everything after BYE":       func(m *manner) { m.up(); m.inside("BYE", 1); m.answer("BYE"); m.everything(1) },
	"everything before the ACK":  func(m *manner) { m.begin("answers"); m.to = m.answer("INVITE").get("To"); m.everything(1) },
	"a re-INVITE left waiting":   func(m *manner) { m.pondered() },
	"a re-INVITE cancelled":      func(m *manner) { m.pondered(); m.cancelled(2) },
	"a re-INVITE, then BYE":      func(m *manner) { m.pondered(); m.inside("BYE", 1); m.answer("BYE") },
	"a re-INVITE, then the cut":  func(m *manner) { m.pondered(); m.cutOff() },
	"a re-INVITE never ACKed":    func(m *manner) { m.up(); m.inside("INVITE", 2); m.answer("INVITE") },
	"everything in no call":      func(m *manner) { m.everything(2) },
	"everything in another call": func(m *manner) { m.to += ";tag=made-up"; m.everything(2) },
	"everything and no reader":   func(m *manner) { m.everything(1); m.cutOff() },
}

func (m *manner) cutOff() {
	if m.cut != nil {
		m.cut()
	}
}

func (m *manner) cancelled(times int) {
	for range times {
		m.send(m.message("CANCEL", m.seq, m.branch, ""))
	}
}

// everything sends all that there is, each request that many times.
func (m *manner) everything(times int, fields ...string) {
	for _, method := range everyMethod {
		if method != "BYE" {
			m.inside(method, times, fields...)
		}
	}
	m.inside("BYE", times, fields...)
}

// pondered has sent a re-INVITE on which nobody decides.
func (m *manner) pondered() {
	m.begin("ponders")
	m.to = m.answer("INVITE").get("To")
	m.send(m.message("ACK", 1, "", ""))
	m.seq++
	m.branch = "z9hG4bKp" + m.id
	m.send(m.message("INVITE", m.seq, m.branch, sdp("hold")))
}

// TestNothingRemains has every exchange with known peers and with strangers, over
// UDP and TCP, and then finds the endpoint as empty as it was.
func TestNothingRemains(t *testing.T) {
	v := clock.NewVirtual(testStart)
	var mu sync.Mutex
	var all []*Dialog
	r := newRig(t, func(c *Config, d *Deps) {
		c.Trust, c.Users, c.Ban = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, twoUsers, -1
		d.Clock = v
		d.Incoming = func(d *Dialog) {
			mu.Lock()
			all = append(all, d)
			mu.Unlock()
			behave(d)
		}
		d.Message = func(Page) int { return 202 }
	})
	var cuts []func()
	play := func(from, name string, do func(m *manner)) {
		for network, open := range r.manners(from) {
			m := open()
			m.t().Log(network, from, name)
			do(m)
			if m.cut != nil {
				cuts = append(cuts, m.cut)
			}
		}
	}
	for name, do := range exchanges {
		play("127.0.0.1", name, do)
	}
	for i, method := range everyMethod { // each from an address of its own: strangers are limited
		from := fmt.Sprintf("127.0.0.%d", 100+i)
		play(from, method, func(m *manner) { m.inside(method, 3); m.inside(method, 1, "Require: magic") })
		play(from, method+" in a call", func(m *manner) { m.to += ";tag=made-up"; m.inside(method, 3) })
	}
	for i, name := range []string{"refuses", "answers", "rings"} {
		play(fmt.Sprintf("127.0.0.%d", 130+i), name, func(m *manner) { m.begin(name); m.cancelled(2); m.cutOff() })
	}
	outgoing(r)
	read := r.Stats().Received
	eventually(t, "all is read", func() bool { was := read; read = r.Stats().Received; v.Settle(); return read == was })
	for _, cut := range cuts {
		cut()
	}
	mu.Lock()
	for i, d := range all {
		switch {
		case d.RequestURI().User == "late":
			_ = d.Accept([]byte(sdp("answer")))
		case i%2 == 0: // the others by themselves, as far as they can
			d.Hangup()
		}
	}
	mu.Unlock()
	eventually(t, "calls end", func() bool {
		v.Advance(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if v.Now().Sub(testStart) > 2*time.Minute {
			for _, d := range all {
				d.Hangup()
			}
		}
		return r.Stats().Dialogs == 0
	})
	eventually(t, "nothing remains", func() bool { v.Advance(time.Second); return r.remains() == "" && r.Stats().Connections == 0 })
	if s := r.Stats(); s.Inbound < 20 || s.Received < 500 {
		t.Fatalf("little has happened: %+v", s)
	}
	eventually(t, "goroutines end", func() bool {
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		return !slices.ContainsFunc([]string{"(*Dialog).run", "(*clientTx).run", "(*Endpoint).await", "ackSend", "(*tcpConn).Read"}, func(who string) bool {
			return strings.Contains(stacks, who)
		})
	})
}

func (m *manner) t() *testing.T { return m.p.t }

// outgoing has calls of ours that end in every way.
func outgoing(r *rig) {
	for name, do := range map[string]func(p *peer, d *Dialog, invite packet){
		"never answered":   func(*peer, *Dialog, packet) {},
		"given up":         func(_ *peer, d *Dialog, _ packet) { d.Hangup() },
		"rings for ever":   func(p *peer, _ *Dialog, w packet) { p.answer(w, 180, "Ringing", "b", "") },
		"refused":          func(p *peer, _ *Dialog, w packet) { p.answer(w, 486, "Busy Here", "b", "") },
		"refused often":    func(p *peer, _ *Dialog, w packet) { p.many(3, w, 503) },
		"challenged":       func(p *peer, _ *Dialog, w packet) { p.many(3, w, 407) },
		"given up ringing": func(p *peer, d *Dialog, w packet) { p.answer(w, 180, "Ringing", "b", ""); d.Hangup() },
		"answered": func(p *peer, d *Dialog, w packet) {
			p.answer(w, 200, "OK", "b", sdp("answer"))
			p.request("ACK")
			d.Hangup()
		},
		"answered by two": func(p *peer, d *Dialog, w packet) {
			p.answer(w, 200, "OK", "b", sdp("answer"))
			p.answer(w, 200, "OK", "c", sdp("answer"))
			p.request("BYE")
		},
		"with a defect": func(p *peer, d *Dialog, w packet) {
			d.box.postUrgent(input{kind: inClose, reason: ReasonError})
			<-d.done
			p.answer(w, 180, "Ringing", "b", "")
			p.request("CANCEL")
		},
	} {
		p := r.peer()
		d, err := r.Dial(Outgoing{Target: Target{URI: "sip:bob@" + p.addr().String()}, From: Address{User: "101"}, Body: []byte(sdp("offer")), Timeout: 20 * time.Second})
		if err != nil {
			r.t.Fatal(name, err)
		}
		d.Follow(func(ev Event) {
			if ev.Kind == Answered {
				_ = d.Info("application/dtmf-relay", []byte("Signal=1"))
				_ = d.Reoffer([]byte(sdp("again")))
			}
		}, func() {})
		r.t.Log("out:", name)
		do(p, d, p.request("INVITE"))
	}
}

// many sends an answer that many times.
func (p *peer) many(times int, w packet, code int) {
	for range times {
		p.answer(w, code, "No", "b", "")
	}
}
