package sip

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/sip/digest"
)

// wireWait is how long a test waits for a message that has to come.
const wireWait = 5 * time.Second

// wire is a hand-written peer on loopback: it speaks text, knows no
// transaction, repeats nothing and sees each request once.
type wire struct {
	t    *testing.T
	udp  *net.UDPConn
	tcp  net.Conn
	read *bufio.Reader
	seq  int
	seen map[string]bool // branch and method of requests: repeats are dropped
}

func newWire(t *testing.T) *wire {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &wire{t: t, udp: c, seen: map[string]bool{}}
}

func (w *wire) addr() netip.AddrPort { return w.udp.LocalAddr().(*net.UDPAddr).AddrPort() }

// wireMessage is a message as it came.
type wireMessage struct {
	line    string
	headers Headers
	body    string
	from    netip.AddrPort
}

func (m wireMessage) get(name string) string { return m.headers.Get(name) }

func (m wireMessage) method() string { return strings.Fields(m.line)[0] }

func (m wireMessage) code() int {
	n, _ := strconv.Atoi(strings.Fields(m.line + " x x")[1])
	return n
}

// receive returns the next message, or fails.
func (w *wire) receive() wireMessage {
	w.t.Helper()
	m, err := w.next(wireWait)
	if err != nil {
		w.t.Fatalf("no message: %v", err)
	}
	return m
}

// silence fails if anything comes within d.
func (w *wire) silence(d time.Duration) {
	w.t.Helper()
	if m, err := w.next(d); err == nil {
		w.t.Fatalf("unexpected %s", m.line)
	}
}

func (w *wire) next(wait time.Duration) (wireMessage, error) {
	for {
		m, err := w.any(wait)
		id := m.get("Via") + m.get("CSeq")
		if err != nil || strings.HasPrefix(m.line, "SIP/2.0") {
			return m, err
		}
		if !w.seen[id] {
			w.seen[id] = true
			return m, nil
		}
	}
}

func (w *wire) any(wait time.Duration) (wireMessage, error) {
	if w.tcp != nil {
		_ = w.tcp.SetReadDeadline(time.Now().Add(wait))
		return parseWire(w.read)
	}
	buf := make([]byte, 65536)
	_ = w.udp.SetReadDeadline(time.Now().Add(wait))
	n, from, err := w.udp.ReadFromUDPAddrPort(buf)
	if err != nil {
		return wireMessage{}, err
	}
	m, err := parseWire(bufio.NewReader(bytes.NewReader(buf[:n])))
	m.from = from
	return m, err
}

func parseWire(r *bufio.Reader) (m wireMessage, err error) {
	if m.line, err = r.ReadString('\n'); err != nil {
		return m, err
	}
	m.line = strings.TrimSpace(m.line)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return m, err
		}
		line = strings.TrimSpace(line)
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		m.headers = append(m.headers, Header{name, strings.TrimSpace(value)})
	}
	n, _ := strconv.Atoi(m.get("Content-Length"))
	body := make([]byte, n)
	_, err = io.ReadFull(r, body)
	m.body = string(body)
	return m, err
}

// send writes text with CRLF line ends.
func (w *wire) send(to netip.AddrPort, text string) {
	w.t.Helper()
	raw := []byte(strings.ReplaceAll(strings.TrimLeft(text, "\n"), "\n", "\r\n"))
	var err error
	if w.tcp != nil {
		_, err = w.tcp.Write(raw)
	} else {
		_, err = w.udp.WriteToUDPAddrPort(raw, to)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) { // the test is over
		w.t.Fatal(err)
	}
}

// answer responds to a request.
func (w *wire) answer(m wireMessage, code int, reason string, extra ...string) {
	w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\n", code, reason)
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		for _, v := range m.headers.All(name) {
			if name == "To" && !strings.Contains(v, "tag=") {
				v += ";tag=peer"
			}
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	for _, h := range extra {
		b.WriteString(h + "\n")
	}
	b.WriteString("Content-Length: 0\n\n")
	w.send(m.from, b.String())
}

// ask sends a request with a new branch and CSeq and returns the final answer.
func (w *wire) ask(to netip.AddrPort, method, uri, user string, extra ...string) wireMessage {
	w.t.Helper()
	w.seq++
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\n", method, uri)
	transport := "UDP"
	if w.tcp != nil {
		transport = "TCP"
	}
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;branch=z9hG4bK%s%d;rport\n", transport, w.addr(), w.t.Name(), w.seq)
	fmt.Fprintf(&b, "From: <sip:%s@pbx>;tag=f%d\nTo: <sip:%s@pbx>\n", user, w.seq, user)
	fmt.Fprintf(&b, "Call-ID: %s@%s\nCSeq: %d %s\nMax-Forwards: 70\n", w.t.Name(), w.addr(), w.seq, method)
	for _, h := range extra {
		b.WriteString(h + "\n")
	}
	b.WriteString("Content-Length: 0\n\n")
	w.send(to, b.String())
	for {
		if m := w.receive(); m.code() >= 200 && m.get("CSeq") == fmt.Sprintf("%d %s", w.seq, method) {
			return m
		}
	}
}

// phone is a user's device on a wire.
type phone struct {
	*wire
	to       netip.AddrPort
	user     string
	client   *digest.Client
	contact  string
	answered []digest.Field
}

func newPhone(t *testing.T, e *Endpoint, user, password string) *phone {
	w := newWire(t)
	return &phone{
		wire: w, to: e.LocalAddr("udp"), user: user, contact: fmt.Sprintf("<sip:%s@10.9.8.7:5060>", user),
		client: digest.NewClient(digest.Account{Username: user, Password: password}, zeroes{}),
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// register goes through the challenge and returns the final answer.
func (p *phone) register(expires int, extra ...string) wireMessage {
	p.t.Helper()
	extra = append(extra, "Contact: "+p.contact, "Expires: "+strconv.Itoa(expires))
	return p.proven("REGISTER", "sip:pbx", extra...)
}

// proven sends a request and, when challenged, once more with credentials.
func (p *phone) proven(method, uri string, extra ...string) wireMessage {
	p.t.Helper()
	m := p.ask(p.to, method, uri, p.user, extra...)
	if m.code() != 401 {
		return m
	}
	return p.ask(p.to, method, uri, p.user, append(extra, p.credentials(method, uri, m))...)
}

// credentials answers the challenge of m.
func (p *phone) credentials(method, uri string, m wireMessage) string {
	p.t.Helper()
	var fields []digest.Field
	for _, v := range m.headers.All("WWW-Authenticate") {
		fields = append(fields, digest.Field{Name: "WWW-Authenticate", Value: v})
	}
	out, err := p.client.Begin(digest.Request{Method: method, URI: uri}).Challenged(fields)
	if err != nil {
		p.t.Fatal(err)
	}
	p.answered = out
	return out[0].Name + ": " + out[0].Value
}

// wireStart is when virtual time begins.
var wireStart = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// openWire opens an endpoint on loopback under a virtual clock; it collects
// registration events.
func openWire(t *testing.T, cfg Config) (*Endpoint, *clock.Virtual, chan RegisterEvent) {
	t.Helper()
	return openWireWith(t, cfg, nil)
}

func openWireWith(t *testing.T, cfg Config, edit func(*Deps)) (*Endpoint, *clock.Virtual, chan RegisterEvent) {
	t.Helper()
	before := runtime.NumGoroutine()
	v := clock.NewVirtual(wireStart)
	events := make(chan RegisterEvent, 64)
	loop := netip.MustParseAddrPort("127.0.0.1:0")
	cfg.Listen = []Listener{{Transport: "udp", Addr: loop}, {Transport: "tcp", Addr: loop}}
	deps := Deps{Clock: v, Incoming: func(d *Dialog) { _ = d.Reject(486, "Busy Here") }, Register: func(ev RegisterEvent) { events <- ev }}
	if edit != nil {
		edit(&deps)
	}
	e, err := Open(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	})
	return e, v, events
}

// event returns the next registration event.
func event(t *testing.T, ch chan RegisterEvent) RegisterEvent {
	t.Helper()
	select {
	case ev := <-ch:
		return ev
	case <-time.After(wireWait):
		t.Fatal("no registration event")
		return RegisterEvent{}
	}
}
