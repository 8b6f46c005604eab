package sip

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/fault"
)

// tcpPhone is a phone that has registered over TCP.
func tcpPhone(t *testing.T, e *Endpoint, contact string) *phone {
	t.Helper()
	p := newPhone(t, e, "101", "secret")
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "tcp", e.LocalAddr("tcp").String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	p.tcp, p.read, p.contact = c, bufio.NewReader(c), contact
	if m := p.register(600); m.code() != 200 {
		t.Fatal(m.line)
	}
	return p
}

// TestPhoneIsGoneWithItsConnection: behind a NAT nobody can connect to it.
func TestPhoneIsGoneWithItsConnection(t *testing.T) {
	e, _, events := openWire(t, Config{Users: twoUsers})
	p := tcpPhone(t, e, "<sip:101@10.9.8.7:5060;transport=tcp>")
	if ev := event(t, events); ev.State != "registered" {
		t.Fatalf("%+v", ev)
	}
	_ = p.tcp.Close()
	if ev := event(t, events); ev.State != "unregistered" || ev.User != "101" || ev.Reason == "" {
		t.Fatalf("%+v", ev)
	}
	if _, err := e.Dial(Outgoing{Target: Target{User: "101"}, Body: []byte("v=0\r\n")}); fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("%v", err)
	}
	if s := e.UserStats().Bindings; s.Bindings != 0 || s.Removed != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestPhoneThatListensIsCalledAtItsContact: without a NAT the connection of the
// REGISTER may end.
func TestPhoneThatListensIsCalledAtItsContact(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := tcpPhone(t, e, fmt.Sprintf("<sip:101@%s;transport=tcp>", l.Addr()))
	_ = p.tcp.Close()
	eventually(t, "the connection ends", func() bool { return e.Stats().Connections == 0 })
	d, err := e.Dial(Outgoing{Target: Target{User: "101"}, Body: []byte("v=0\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.tcp, p.read = c, bufio.NewReader(c)
	m := p.receive()
	if m.method() != "INVITE" {
		t.Fatal(m.line)
	}
	p.answer(m, 486, "Busy Here")
	for range d.Events() {
	}
}

// TestCallEndsWithItsConnection: an INVITE that nobody has answered when its
// connection ends does not wait for its 32 s.
func TestCallEndsWithItsConnection(t *testing.T) {
	e, v, _ := openWire(t, Config{Users: twoUsers})
	p := tcpPhone(t, e, "<sip:101@10.9.8.7:5060;transport=tcp>")
	d, err := e.Dial(Outgoing{Target: Target{User: "101"}, Body: []byte("v=0\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	if m := p.receive(); m.method() != "INVITE" {
		t.Fatal(m.line)
	}
	_ = p.tcp.Close()
	over := make(chan Event, 1)
	go func() {
		for ev := range d.Events() {
			if ev.Kind == Ended {
				over <- ev
			}
		}
	}()
	for limit := wireStart.Add(25 * time.Second); v.Now().Before(limit); { // short of Timer B
		<-advance(v, flowGrace)
		select {
		case ev := <-over:
			if ev.Code != 503 {
				t.Fatalf("%+v", ev)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("the call goes on")
}

// TestRingingOutlivesItsConnection: who has the INVITE may answer by another
// connection.
func TestRingingOutlivesItsConnection(t *testing.T) {
	w := &flowWatch{gone: make(chan struct{}), lost: make(chan struct{})}
	w.heard()
	if w.gone != nil || w.lost != nil {
		t.Fatalf("%+v", w)
	}
}

// TestSilentConnectionsEnd: the kernel is told how long to wait for a peer.
func TestSilentConnectionsEnd(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	p := tcpPhone(t, e, "<sip:101@10.9.8.7:5060;transport=tcp>")
	c := e.hub.lookup(p.tcp.LocalAddr().String())
	silenceIsNoticed(t, c.Conn.(*net.TCPConn))
}

// silenceIsNoticed checks a socket's limit for what is not acknowledged.
func silenceIsNoticed(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if again := raw.Control(func(fd uintptr) {
		got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	}); again != nil || err != nil || got != int(ackTimeout.Milliseconds()) {
		t.Fatal(got, err, again)
	}
}

// TestByeFollowsTheRegistration: a phone whose NAT gave it another port in the
// middle of a call registers from there, and our BYE comes there.
func TestByeFollowsTheRegistration(t *testing.T) {
	e, _, _ := openWire(t, Config{Users: twoUsers})
	p := newPhone(t, e, "101", "secret")
	if m := p.register(600); m.code() != 200 {
		t.Fatal(m.line)
	}
	d, err := e.Dial(Outgoing{Target: Target{User: "101"}, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	invite := p.receive()
	text := "SIP/2.0 200 OK\n"
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		text += name + ": " + invite.get(name)
		if name == "To" {
			text += ";tag=peer"
		}
		text += "\n"
	}
	p.send(invite.from, text+"Contact: "+p.contact+"\nContent-Type: application/sdp\nContent-Length: 5\n\nv=0\r\n")
	if m := p.receive(); m.method() != "ACK" {
		t.Fatal(m.line)
	}
	moved := newPhone(t, e, "101", "secret")
	moved.seq = p.seq // its REGISTERs go on
	if m := moved.register(600); m.code() != 200 {
		t.Fatal(m.line)
	}
	d.Hangup()
	m := moved.receive()
	if m.method() != "BYE" {
		t.Fatal(m.line)
	}
	moved.answer(m, 200, "OK")
	for range d.Events() {
	}
}
