package sip

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for something that should come at once.
const patience = 30 * time.Second

// packet is a SIP message as the test peer sees it: nothing of the code under
// test reads or writes it.
type packet struct {
	start  string
	fields []string // "Name: value"
	body   string
	from   *net.UDPAddr
}

func readPacket(data []byte) packet {
	head, body, _ := strings.Cut(string(data), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	return packet{start: lines[0], fields: lines[1:], body: body}
}

func (w packet) get(name string) string {
	for _, f := range w.fields {
		if n, v, _ := strings.Cut(f, ":"); strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (w packet) all(name string) (out []string) {
	for _, f := range w.fields {
		if n, v, _ := strings.Cut(f, ":"); strings.EqualFold(n, name) {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

func (w packet) method() string { m, _, _ := strings.Cut(w.start, " "); return m }

func (w packet) uri() string { return strings.Fields(w.start)[1] }

// code is the status of a response, 0 for a request.
func (w packet) code() int {
	if !strings.HasPrefix(w.start, "SIP/2.0 ") {
		return 0
	}
	n, _ := strconv.Atoi(strings.Fields(w.start)[1])
	return n
}

func (w packet) tag(name string) string {
	_, t, _ := strings.Cut(w.get(name), ";tag=")
	t, _, _ = strings.Cut(t, ";")
	return t
}

func (w packet) branch() string {
	_, b, _ := strings.Cut(w.get("Via"), "branch=")
	b, _, _ = strings.Cut(b, ";")
	return b
}

// peer is a SIP user agent written by hand on one UDP socket.
type peer struct {
	t    *testing.T
	conn *net.UDPConn
	to   *net.UDPAddr
	in   chan packet
}

var peerCount atomic.Int64

// newPeer opens a socket on 127.0.0.1, or on [::1] when the target is IPv6.
func newPeer(t *testing.T, to netip.AddrPort) *peer {
	t.Helper()
	host := "127.0.0.1:0"
	if to.Addr().Is6() {
		host = "[::1]:0"
	}
	return newPeerOn(t, host, to)
}

func newPeerOn(t *testing.T, bind string, to netip.AddrPort) *peer {
	t.Helper()
	local, err := net.ResolveUDPAddr("udp", bind)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: conn, in: make(chan packet, 1000)}
	if to.IsValid() {
		p.to = net.UDPAddrFromAddrPort(to)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 70000)
		for {
			n, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			w := readPacket(buf[:n])
			w.from = from
			p.in <- w
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return p
}

func (p *peer) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *peer) raw(s string) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDP([]byte(s), p.to); err != nil {
		p.t.Fatal(err)
	}
}

// next returns the next message that keep wants; others are thrown away.
func (p *peer) next(what string, keep func(packet) bool) packet {
	p.t.Helper()
	var seen []string
	w, ok := p.within(patience, func(w packet) bool { seen = append(seen, w.start+" "+w.get("CSeq")); return keep(w) })
	if !ok {
		p.t.Fatalf("no %s came, but %q", what, seen)
	}
	return w
}

func (p *peer) within(d time.Duration, keep func(packet) bool) (packet, bool) {
	limit := time.NewTimer(d)
	defer limit.Stop()
	for {
		select {
		case w := <-p.in:
			if keep(w) {
				return w, true
			}
		case <-limit.C:
			return packet{}, false
		}
	}
}

// response waits for a status of the method in CSeq.
func (p *peer) response(code int, method string) packet {
	p.t.Helper()
	return p.next(fmt.Sprintf("%d (%s)", code, method), func(w packet) bool {
		return w.code() == code && strings.HasSuffix(w.get("CSeq"), " "+method)
	})
}

// final waits for any final response to the method.
func (p *peer) final(method string) packet {
	p.t.Helper()
	return p.next("final response to "+method, func(w packet) bool {
		return w.code() >= 200 && strings.HasSuffix(w.get("CSeq"), " "+method)
	})
}

func (p *peer) request(method string) packet {
	p.t.Helper()
	return p.next(method, func(w packet) bool { return w.code() == 0 && w.method() == method })
}

// quiet fails when a message that bad matches comes within d.
func (p *peer) quiet(d time.Duration, bad func(packet) bool) {
	p.t.Helper()
	if w, ok := p.within(d, bad); ok {
		p.t.Fatalf("unwanted: %s", w.start)
	}
}

// call is a dialog that the peer began.
type call struct {
	p         *peer
	id        string
	from, to  string // values with tags
	seq       int
	branch    string // of the INVITE
	extra     []string
	target    string
	transport string
	offer     string
}

func (p *peer) newCall() *call {
	n := peerCount.Add(1)
	return &call{
		p: p, id: fmt.Sprintf("call%d@test", n), from: fmt.Sprintf("<sip:alice@%s>;tag=a%d", p.addr(), n),
		to: "<sip:bob@example.com>", seq: 1, target: "sip:bob@" + p.to.String(), transport: "UDP", offer: sdp("offer"),
	}
}

func sdp(name string) string {
	return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=" + name + "\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
}

// message writes a request of the call. An empty branch makes a new one.
func (c *call) message(method string, seq int, branch, body string, fields ...string) string {
	if branch == "" {
		branch = fmt.Sprintf("z9hG4bKt%d", peerCount.Add(1))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=%s\r\n", method, c.target, c.transport, c.p.addr(), branch)
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n", c.from, c.to, c.id, seq, method)
	contact := true
	for _, f := range fields {
		b.WriteString(f + "\r\n")
		contact = contact && !strings.HasPrefix(f, "Contact:")
	}
	if contact {
		fmt.Fprintf(&b, "Contact: <sip:alice@%s>\r\n", c.p.addr())
	}
	if body != "" && !strings.Contains(b.String(), "Content-Type:") {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

// invite sends the initial INVITE.
func (c *call) invite(fields ...string) {
	c.p.t.Helper()
	c.branch = fmt.Sprintf("z9hG4bKinv%d", peerCount.Add(1))
	c.p.raw(c.message("INVITE", c.seq, c.branch, c.offer, fields...))
}

// request sends a request inside the dialog with the next number.
func (c *call) request(method, body string, fields ...string) {
	c.p.t.Helper()
	c.seq++
	c.p.raw(c.message(method, c.seq, "", body, fields...))
}

func (c *call) ack(body string) {
	c.p.t.Helper()
	c.p.raw(c.message("ACK", c.seq, "", body))
}

// ackFailure acknowledges a final response of 300 and more.
func (c *call) ackFailure(w packet) {
	c.p.t.Helper()
	to := c.to
	c.to = w.get("To")
	c.p.raw(c.message("ACK", c.seq, c.branch, ""))
	c.to = to
}

func (c *call) cancel() {
	c.p.t.Helper()
	c.p.raw(c.message("CANCEL", c.seq, c.branch, ""))
}

// answer sends a response to a request that the peer received.
func (p *peer) answer(req packet, code int, reason, tag, body string, fields ...string) {
	p.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", code, reason)
	for _, v := range req.all("Via") {
		b.WriteString("Via: " + v + "\r\n")
	}
	to := req.get("To")
	if tag != "" && !strings.Contains(to, ";tag=") {
		to += ";tag=" + tag
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n", req.get("From"), to, req.get("Call-ID"), req.get("CSeq"))
	contact := true
	for _, f := range fields {
		b.WriteString(f + "\r\n")
		contact = contact && !strings.HasPrefix(f, "Contact:")
	}
	if contact {
		fmt.Fprintf(&b, "Contact: <sip:bob@%s>\r\n", p.addr())
	}
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := p.conn.WriteToUDP([]byte(b.String()), req.from); err != nil {
		p.t.Fatal(err)
	}
}

// streamPeer is a TCP peer.
type streamPeer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialTCP(t *testing.T, to netip.AddrPort) *streamPeer {
	t.Helper()
	conn, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	return newStream(t, conn)
}

func newStream(t *testing.T, conn net.Conn) *streamPeer {
	t.Cleanup(func() { _ = conn.Close() })
	return &streamPeer{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (s *streamPeer) raw(text string) {
	s.t.Helper()
	if _, err := s.conn.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// next reads one message.
func (s *streamPeer) next() (packet, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	return s.read()
}

// read is next with the deadline that is set.
func (s *streamPeer) read() (packet, error) {
	var head bytes.Buffer
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return packet{}, err
		}
		if line == "\r\n" && head.Len() == 0 {
			continue // the answer to a keep-alive
		}
		head.WriteString(line)
		if line == "\r\n" {
			break
		}
	}
	w := readPacket(head.Bytes())
	n, _ := strconv.Atoi(w.get("Content-Length"))
	body := make([]byte, n)
	if _, err := io.ReadFull(s.in, body); err != nil {
		return w, err
	}
	w.body = string(body)
	return w, nil
}

// final reads up to a final response to the method.
func (s *streamPeer) final(method string) packet {
	s.t.Helper()
	for {
		w, err := s.next()
		if err != nil {
			s.t.Fatalf("no final response to %s: %v", method, err)
		}
		if w.code() >= 200 && strings.HasSuffix(w.get("CSeq"), " "+method) {
			return w
		}
	}
}

// request reads up to a request of the method.
func (s *streamPeer) request(method string) packet {
	s.t.Helper()
	for {
		w, err := s.next()
		if err != nil {
			s.t.Fatalf("no %s: %v", method, err)
		}
		if w.code() == 0 && w.method() == method {
			return w
		}
	}
}
