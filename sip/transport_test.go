package sip

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

func TestOpenTellsWhatIsWrong(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, tt := range map[string]struct {
		l    Listener
		code fault.Code
		exit int
	}{
		"port in use":       {listen("udp", taken.LocalAddr().String()), fault.Unavailable, fault.ExitBind},
		"not our address":   {listen("tcp", "192.0.2.1:5060"), fault.Unavailable, fault.ExitBind},
		"unknown transport": {listen("sctp", "127.0.0.1:0"), fault.Invalid, fault.ExitConfig},
	} {
		_, err := Open(Config{Listen: []Listener{listen("udp", "127.0.0.1:0"), tt.l}}, Deps{})
		if fault.CodeOf(err) != tt.code || fault.ExitOf(err) != tt.exit {
			t.Errorf("%s: %v (exit %d)", name, err, fault.ExitOf(err))
		}
		if tt.exit == fault.ExitBind && fault.HintOf(err) == "" {
			t.Errorf("%s: no hint", name)
		}
	}
}

// options is an OPTIONS request for a stream.
func options(r *rig, n int, extra string) string {
	return fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKo%d\r\nFrom: <sip:a@b>;tag=1\r\n"+
		"To: <sip:c@d>\r\nCall-ID: o%d\r\nCSeq: 1 OPTIONS\r\n%s", r.LocalAddr("tcp"), n, n, extra)
}

func TestStreamFraming(t *testing.T) {
	r := newRig(t, nil)
	s := dialTCP(t, r.LocalAddr("tcp"))
	one := options(r, 1, "Content-Length: 0\r\n\r\n")
	two := options(r, 2, "l: 3\r\n\r\nabc")
	// Two messages and a keep-alive in one write, then one byte by byte.
	s.raw(one + "\r\n\r\n" + two)
	s.final("OPTIONS")
	s.final("OPTIONS")
	for _, b := range []byte(options(r, 3, "Content-Length: 0\r\n\r\n")) {
		s.raw(string(b))
	}
	s.final("OPTIONS")
	// What is refused is answered, and the stream goes on behind it.
	s.raw(strings.Replace(options(r, 4, "Content-Length: 4\r\n\r\nbody"), "CSeq: 1 OPTIONS", "CSeq: 1 INVITE", 1))
	if w := s.final("INVITE"); w.code() != 400 {
		t.Fatal(w.start)
	}
	s.raw(options(r, 5, "Content-Length: 0\r\n\r\n"))
	s.final("OPTIONS")
}

func TestStreamWithoutBoundaryIsClosed(t *testing.T) {
	r := newRig(t, nil)
	for name, tt := range map[string]struct {
		text string
		code int
	}{
		"no length":       {options(r, 10, "\r\n"), 400},
		"negative length": {options(r, 11, "Content-Length: -5\r\n\r\n"), 400},
		"huge length":     {options(r, 12, "Content-Length: 99999999\r\n\r\n"), 513},
		"no headers end":  {options(r, 13, strings.Repeat("X-A: b\r\n", MaxMessage/8)), 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := dialTCP(t, r.LocalAddr("tcp"))
			_, _ = s.conn.Write([]byte(tt.text)) // the end may come while we write
			w, err := s.next()
			if tt.code > 0 {
				if err != nil || w.code() != tt.code {
					t.Fatalf("%v, %v", w.start, err)
				}
				_, err = s.next()
			}
			if err == nil || isTimeout(err) {
				t.Fatalf("the connection stays open: %v", err)
			}
		})
	}
	eventually(t, "no connection is left", func() bool { return r.Stats().Connections == 0 })
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestKeepAlivePing(t *testing.T) {
	r := newRig(t, nil)
	s := dialTCP(t, r.LocalAddr("tcp"))
	s.raw(options(r, 20, "Content-Length: 0\r\n\r\n"))
	s.final("OPTIONS")
	s.raw("\r\n\r\n")
	pong := make([]byte, 2)
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(s.in, pong); err != nil || string(pong) != "\r\n" {
		t.Fatalf("%q %v", pong, err)
	}
}

// TestP20SilentConnectionsEnd: the rig divides socket deadlines by 20, 10 s become
// 0.5 s. On a crowded machine the end may be seen late, but not every time.
func TestP20SilentConnectionsEnd(t *testing.T) {
	r := newHurriedRig(t, 20, func(c *Config, _ *Deps) { c.Trust = nil })
	for name, text := range map[string]string{
		"silent": "", "slow": "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP",
	} {
		inTime(t, name, 3*time.Second, func() time.Duration {
			begun := time.Now()
			s := dialTCP(t, r.LocalAddr("tcp"))
			s.raw(text)
			if _, err := s.next(); err == nil || isTimeout(err) {
				t.Fatalf("%s: stays open: %v", name, err)
			}
			took := time.Since(begun)
			if took < 400*time.Millisecond {
				t.Errorf("%s: closed after %v", name, took)
			}
			return took
		})
	}
	// Half a message after a whole one has the same time, however it drips.
	inTime(t, "dripping", 2*time.Second, func() time.Duration {
		s := dialTCP(t, r.LocalAddr("tcp"))
		s.raw(options(r, 30, "Content-Length: 0\r\n\r\n"))
		s.final("OPTIONS")
		begun := time.Now()
		for time.Since(begun) < 2*time.Second {
			if _, err := s.conn.Write([]byte("X")); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		return time.Since(begun)
	})
}

// inTime is for what a crowded machine makes late: one of a few times it has to
// take no longer than most.
func inTime(t *testing.T, what string, most time.Duration, measure func() time.Duration) {
	t.Helper()
	var all []time.Duration
	for range 4 {
		took := measure()
		if took < most {
			return
		}
		all = append(all, took)
	}
	t.Errorf("%s: it takes %v, not less than %v", what, all, most)
}

func TestP20ConnectionLimits(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.Trust = nil })
	var all []*streamPeer
	for range MaxConnectionsPerSource {
		all = append(all, dialTCP(t, r.LocalAddr("tcp")))
	}
	eventually(t, "all are in", func() bool { return r.Stats().Connections == MaxConnectionsPerSource })
	over := dialTCP(t, r.LocalAddr("tcp"))
	if _, err := over.next(); err == nil || isTimeout(err) {
		t.Fatal("one too many is served", err)
	}
	if s := r.Stats(); s.ConnsRefused != 1 {
		t.Fatalf("%+v", s)
	}
	// Another source is served, and so is UDP.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}
	c, err := d.Dial("tcp", r.LocalAddr("tcp").String())
	if err != nil {
		t.Fatal(err)
	}
	other := newStream(t, c)
	other.raw(options(r, 40, "Content-Length: 0\r\n\r\n"))
	other.final("OPTIONS")
	p := r.peer()
	p.raw(p.newCall().message("OPTIONS", 1, "", ""))
	p.response(200, "OPTIONS")
	// A place is free again when one leaves.
	_ = all[0].conn.Close()
	eventually(t, "it is gone", func() bool { return r.Stats().Connections == MaxConnectionsPerSource })
	again := dialTCP(t, r.LocalAddr("tcp"))
	again.raw(options(r, 41, "Content-Length: 0\r\n\r\n"))
	again.final("OPTIONS")
}

func TestOutboundTCP(t *testing.T) {
	r := newRig(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d, err := r.Dial(Outgoing{Target: Target{URI: "sip:bob@" + l.Addr().String() + ";transport=tcp"}, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := newStream(t, c)
	inv := s.request("INVITE")
	if !strings.HasPrefix(inv.get("Via"), "SIP/2.0/TCP") || !strings.Contains(inv.get("Contact"), "transport=tcp") {
		t.Fatalf("%+v", inv)
	}
	reply := func(req packet, code int, body string) {
		s.raw(fmt.Sprintf("SIP/2.0 %d X\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=b\r\nCall-ID: %s\r\nCSeq: %s\r\n"+
			"Contact: <sip:bob@%s;transport=tcp>\r\nContent-Length: %d\r\n\r\n%s", code, req.get("Via"), req.get("From"),
			strings.TrimSuffix(req.get("To"), ";tag=b"), req.get("Call-ID"), req.get("CSeq"), l.Addr(), len(body), body))
	}
	reply(inv, 180, "")
	expect(t, d, Provisional)
	reply(inv, 200, sdp("answer"))
	expect(t, d, Answered)
	s.request("ACK")
	d.Hangup()
	reply(s.request("BYE"), 200, "")
	expect(t, d, Ended)
	if n := r.Stats().Connects; n != 1 {
		t.Fatalf("%d connections for one call", n)
	}
}

func TestUnknownSourcesAreLimitedAndRefused(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.Trust = nil })
	p := r.peer()
	c := p.newCall()
	c.invite()
	c.ackFailure(p.response(403, "INVITE"))
	for i := range 4 * UnknownBurst {
		other := p.newCall()
		other.branch = fmt.Sprint("z9hG4bKflood", i)
		p.raw(other.message("OPTIONS", 1, other.branch, ""))
	}
	eventually(t, "the limit bites", func() bool { return r.Stats().Limited > UnknownBurst })
	answered := 0
	for {
		if _, ok := p.within(50*time.Millisecond, func(w packet) bool { return w.code() == 200 }); !ok {
			break
		}
		answered++
	}
	if answered < UnknownBurst/2 || answered > 2*UnknownBurst {
		t.Fatalf("%d were answered", answered)
	}
	if n := r.transactions.Load(); n > 3*UnknownBurst {
		t.Fatalf("%d transactions", n)
	}
	// Another address is not affected.
	other := newPeerOn(t, "127.0.0.5:0", r.LocalAddr("udp"))
	other.raw(other.newCall().message("OPTIONS", 1, "", ""))
	other.response(200, "OPTIONS")
}

func TestRecent(t *testing.T) {
	var dropped []int
	r := newRecent(4, func(k int, _ string) { dropped = append(dropped, k) })
	for i := range 4 {
		r.put(i, "x")
	}
	if _, ok := r.get(0); !ok { // used: it is kept
		t.Fatal("0 is gone")
	}
	r.put(4, "x")
	r.put(5, "x")
	if _, ok := r.get(0); !ok {
		t.Fatal("what was used is gone")
	}
	if _, ok := r.get(1); ok {
		t.Fatal("1 is still there")
	}
	if r.size() > 5 || len(dropped) == 0 {
		t.Fatalf("%d kept, dropped %v", r.size(), dropped)
	}
}

func TestTransactionLimitIs503(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	r.transactions.Add(MaxTransactions)
	defer r.transactions.Add(-MaxTransactions)
	refused := p.newCall()
	refused.invite()
	if w := p.response(503, "INVITE"); w.get("Retry-After") == "" {
		t.Fatal("no Retry-After")
	}
	c.request("BYE", "") // calls that are up go on
	p.response(200, "BYE")
	expect(t, d, Ended)
}

// A stranger and a peer have limits of their own, below the total.
func TestTransactionsOfOneAddress(t *testing.T) {
	for _, c := range []struct {
		name  string
		trust []netip.Prefix
		limit int
	}{{"stranger", nil, MaxTransactionsPerSource}, {"peer", loopback, MaxTransactionsPerPeer}} {
		r := newRig(t, func(cfg *Config, _ *Deps) { cfg.Trust = c.trust })
		at := netip.MustParseAddr("127.0.0.1")
		r.busy.add(at, c.limit-1)
		p := r.peer()
		if p.raw(p.newCall().message("OPTIONS", 1, fmt.Sprint("z9hG4bKx", peerCount.Add(1)), "")); p.response(200, "OPTIONS").get("Retry-After") != "" {
			t.Errorf("%s: refused below the limit", c.name)
		}
		eventually(t, "the first is over", func() bool { return r.transactions.Load() == 0 || c.trust != nil })
		r.busy.add(at, 1)
		if p.raw(p.newCall().message("OPTIONS", 1, fmt.Sprint("z9hG4bKx", peerCount.Add(1)), "")); p.response(503, "OPTIONS").get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", c.name)
		}
		if r.Stats().Crowded != 1 {
			t.Errorf("%s: %d refused", c.name, r.Stats().Crowded)
		}
	}
}

// Answers find their way to the sources that came last; the rest is forgotten.
func TestMaxSources(t *testing.T) {
	r := newRig(t, nil)
	pool := r.tp.Pool("udp")
	for i := range 2 * MaxSources {
		r.keepSource(r.udp[0], fmt.Sprintf("203.0.%d.%d:5060", i>>8, i&255))
	}
	if n := r.Stats().Sources; n > MaxSources || n < MaxSources/2 {
		t.Fatalf("%d sources", n)
	}
	if pool.Get("203.0.0.0:5060") != nil || pool.Get(fmt.Sprintf("203.0.%d.255:5060", (2*MaxSources-1)>>8)) == nil {
		t.Fatal("not the latest are kept")
	}
}

func TestDialogLimitIs503(t *testing.T) {
	r := newRig(t, nil)
	r.dialogs.mu.Lock()
	for i := range MaxDialogs {
		r.dialogs.byKey[dialogKey{fmt.Sprint(i), ""}] = nil
	}
	r.dialogs.mu.Unlock()
	p := r.peer()
	c := p.newCall()
	c.invite()
	c.ackFailure(p.response(503, "INVITE"))
	if _, err := r.Dial(Outgoing{Target: Target{URI: "sip:x@192.0.2.1"}}); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
	if s := r.Stats(); s.DialogsFull != 2 {
		t.Fatalf("%+v", s)
	}
	r.dialogs.mu.Lock()
	clear(r.dialogs.byKey)
	r.dialogs.mu.Unlock()
}

func TestUserLimit(t *testing.T) {
	var table dialogTable
	table.init()
	dialog := func(key, user string) *Dialog { return &Dialog{key: dialogKey{key, ""}, account: user} }
	one, two, more, other := dialog("1", "101"), dialog("2", "101"), dialog("3", "101"), dialog("4", "102")
	if table.add(one, 1) != nil || table.add(two, 1) != nil || table.add(more, 1) != errUserBusy || table.add(other, 1) != nil {
		t.Fatal("one call each, and one to ask somebody")
	}
	table.remove(more) // was never in
	if table.add(more, 1) != errUserBusy {
		t.Fatal("the place was freed by nobody")
	}
	table.remove(one)
	if table.add(more, 1) != nil || len(table.users) != 2 {
		t.Fatal("the place is not free")
	}
}

// All phones of a user may ring for one call, and beside its calls a phone may
// make one more, held or not: to ask somebody before a transfer.
func TestUserLimitCountsCalls(t *testing.T) {
	var table dialogTable
	table.init()
	next := 0
	dialog := func(outbound bool) *Dialog {
		next++
		return &Dialog{key: dialogKey{strconv.Itoa(next), ""}, account: "101", outbound: outbound}
	}
	phones := []*Dialog{dialog(true), dialog(true), dialog(true)}
	for _, d := range phones {
		if err := table.add(d, 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := table.callsOf("101"); n != 1 {
		t.Fatalf("three phones that ring are %d calls", n)
	}
	phones[0].up.Store(true)
	phones[1].hangup.Store(true) // never heard of: it stays until its transaction is over
	table.remove(phones[2])
	if err := table.add(dialog(false), 1); err != nil {
		t.Fatalf("the question before a transfer: %v", err)
	}
	if table.add(dialog(false), 1) != errUserBusy {
		t.Fatal("there is room for one question")
	}
}

func TestEventOverflowEndsTheDialog(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	for range EventCapacity {
		c.request("INFO", "1", "Content-Type: application/dtmf")
		if w := p.final("INFO"); w.code() != 200 {
			break
		}
	}
	p.request("BYE")
	n := 0
	var last Event
	for ev := range d.Events() {
		last = ev
		n++
	}
	if last.Kind != Ended || last.Reason != ReasonError || n > EventCapacity+1 {
		t.Fatalf("%d events, last %+v", n, last)
	}
	if s := r.Stats(); s.Overflows != 1 {
		t.Fatalf("%+v", s)
	}
}

// A call that never reads its events does not keep the endpoint from closing,
// and still finds Ended.
func TestCloseWithUnreadEvents(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	for range 2 * channelRoom {
		_ = d.Provisional(180, "", nil)
		p.response(180, "INVITE")
	}
	r.Close()
	var last Event
	for ev := range d.Events() {
		last = ev
	}
	if last.Kind != Ended {
		t.Fatalf("%+v", last)
	}
}

// Who follows a dialog gets every event in order and then hears that it is over,
// whether it comes before the dialog's end or after it.
func TestFollow(t *testing.T) {
	for _, late := range []bool{false, true} {
		r := newRig(t, nil)
		p := r.peer()
		c := p.newCall()
		c.invite()
		d := r.incoming()
		lines, over := make(chan string, EventCapacity), make(chan struct{})
		follow := func() {
			d.Follow(func(ev Event) { lines <- ev.Kind.String() + " " + ev.Line }, func() { close(over) })
		}
		if !late {
			follow()
		}
		if err := d.Accept([]byte(sdp("answer"))); err != nil {
			t.Fatal(err)
		}
		c.to = p.response(200, "INVITE").get("To")
		c.ack("")
		c.request("BYE", "")
		<-d.done
		if late {
			follow()
		}
		select {
		case <-over:
		case <-time.After(10 * time.Second):
			t.Fatal("not told of the end")
		}
		close(lines)
		var got []string
		for line := range lines {
			got = append(got, line)
		}
		if n := len(got); n < 4 || !strings.HasPrefix(got[0], "traced INVITE ") || got[1] != "traced 100 Trying (INVITE)" || got[n-1] != "ended " {
			t.Errorf("late %v: %q", late, got)
		}
	}
}

func TestMailboxLimit(t *testing.T) {
	var b mailbox
	b.init(clock.System())
	for range MailboxCapacity {
		if err := b.post(input{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.post(input{}); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
	if !b.postUrgent(input{kind: inClose}) {
		t.Fatal("what ends the dialog does not get in")
	}
	if left := b.close(); len(left) != MailboxCapacity+1 {
		t.Fatal(len(left))
	}
	if err := b.post(input{}); fault.CodeOf(err) != fault.Hangup || b.postUrgent(input{}) {
		t.Fatal(err)
	}
}

func TestConnectionsOfAPeerAndInAll(t *testing.T) {
	r := newRig(t, nil)
	fill := func(ip string, n int) (ok int) {
		for i := range n {
			c := &tcpConn{hub: r.hub, key: fmt.Sprint(ip, i), accepted: true, gone: make(chan struct{}), source: netip.AddrPortFrom(netip.MustParseAddr(ip), 1)}
			if r.hub.register(c) == nil {
				ok++
				defer r.hub.forget(c)
			}
		}
		if n := r.hub.size(); n > MaxConnections {
			t.Errorf("%d connections", n)
		}
		return ok
	}
	if n := fill("127.0.0.1", 2*MaxConnectionsPerPeer); n != MaxConnectionsPerPeer {
		t.Errorf("%d of a trusted peer", n)
	}
	if n := fill("192.0.2.1", 2*MaxConnectionsPerSource); n != MaxConnectionsPerSource {
		t.Errorf("%d of an unknown source", n)
	}
	if len(r.hub.per) != 0 || r.hub.size() != 0 {
		t.Errorf("%d sources are still counted", len(r.hub.per))
	}
}
