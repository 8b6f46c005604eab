package phone

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailbox is how many messages wait for the test.
const mailbox = 1024

// Phone is one user agent on one address, over UDP and TCP.
type Phone struct {
	// Name is the user part of From and Contact.
	Name string
	// Addr is where it listens, the same port for both transports.
	Addr netip.AddrPort
	// TCP makes it call over TCP.
	TCP bool
	// Lazy is what its new calls are.
	Lazy bool
	// Patient makes it repeat requests over UDP until they are answered.
	Patient bool
	// Calls are new incoming calls, Requests what belongs to no call.
	Calls    chan *Call
	Requests chan *Message

	t    testing.TB
	udp  *net.UDPConn
	tcp  net.Listener
	done sync.WaitGroup

	mu    sync.Mutex
	calls map[string]*Call // by Call-ID
	conns map[netip.AddrPort]net.Conn
	all   []net.Conn
	over  bool
}

// New opens a phone on a free port of ip and closes it with the test.
func New(t testing.TB, name, ip string) *Phone {
	t.Helper()
	p := &Phone{
		Name: name, t: t, Calls: make(chan *Call, mailbox), Requests: make(chan *Message, mailbox),
		calls: map[string]*Call{}, conns: map[netip.AddrPort]net.Conn{},
	}
	if err := p.listen(netip.MustParseAddr(ip)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// listen finds a port that is free for both transports.
func (p *Phone) listen(ip netip.Addr) (err error) {
	for range 20 {
		if p.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))); err != nil {
			return err
		}
		p.Addr = unmapped(p.udp.LocalAddr().(*net.UDPAddr).AddrPort())
		if p.tcp, err = net.Listen("tcp", p.Addr.String()); err == nil {
			break
		}
		p.udp.Close()
	}
	if err != nil {
		return err
	}
	p.done.Add(2)
	go p.readUDP()
	go p.accept()
	return nil
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// Close takes the phone off the network at once; calls are not ended.
func (p *Phone) Close() {
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return
	}
	p.over = true
	conns, calls := p.all, p.calls
	p.mu.Unlock()
	p.udp.Close()
	p.tcp.Close()
	for _, c := range conns {
		c.Close()
	}
	for _, c := range calls {
		c.Media.Close()
	}
	p.done.Wait()
}

func (p *Phone) readUDP() {
	defer p.done.Done()
	buf := make([]byte, 65536)
	for {
		n, from, err := p.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if p.closed() {
				return
			}
			continue // an ICMP error of an earlier packet
		}
		m, err := read(bufio.NewReader(bytes.NewReader(bytes.Clone(buf[:n]))))
		if err != nil {
			continue
		}
		m.From = unmapped(from)
		m.reply = func(b []byte) error { _, err := p.udp.WriteToUDPAddrPort(b, from); return err }
		p.take(m)
	}
}

func (p *Phone) closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

func (p *Phone) accept() {
	defer p.done.Done()
	for {
		c, err := p.tcp.Accept()
		if err != nil {
			return
		}
		p.serve(c)
	}
}

// serve reads a connection until it ends.
func (p *Phone) serve(c net.Conn) {
	p.mu.Lock()
	p.all = append(p.all, c)
	over := p.over
	p.mu.Unlock()
	if over {
		c.Close()
		return
	}
	p.done.Add(1)
	go func() {
		defer p.done.Done()
		r := bufio.NewReader(c)
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort()
		for {
			m, err := read(r)
			if err != nil {
				return
			}
			m.From = unmapped(from)
			m.reply = func(b []byte) error { _, err := c.Write(b); return err }
			p.take(m)
		}
	}()
}

// take hands a message to its call.
func (p *Phone) take(m *Message) {
	p.mu.Lock()
	c := p.calls[m.Get("call-id")]
	if c == nil && m.Method == "INVITE" {
		c = p.incoming(m)
		p.calls[c.ID] = c
		p.Calls <- c
	}
	p.mu.Unlock()
	switch {
	case c != nil:
		c.take(m)
	case m.Method == "OPTIONS":
		_ = p.Reply(m, 200, "OK", "")
	default:
		select {
		case p.Requests <- m:
		default:
		}
	}
}

// send writes a message to an address over the phone's transport.
func (p *Phone) send(m *Message, to netip.AddrPort) error {
	if !p.TCP {
		_, err := p.udp.WriteToUDPAddrPort(m.text(), to)
		return err
	}
	p.mu.Lock()
	c := p.conns[to]
	p.mu.Unlock()
	if c == nil {
		var err error
		if c, err = net.DialTimeout("tcp", to.String(), 5*time.Second); err != nil {
			return err
		}
		p.mu.Lock()
		p.conns[to] = c
		p.mu.Unlock()
		p.serve(c)
	}
	_, err := c.Write(m.text())
	return err
}

// Raw sends bytes as they are, over UDP.
func (p *Phone) Raw(b []byte, to netip.AddrPort) {
	if _, err := p.udp.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Error(err)
	}
}

// Reply answers a request; To gets a tag if it has none.
func (p *Phone) Reply(req *Message, code int, reason, body string, headers ...Header) error {
	m := &Message{Code: code, Reason: reason, Body: body}
	for _, h := range req.Headers {
		switch canonical(h.Name) {
		case "to":
			if Tag(h.Value) == "" && code > 100 {
				h.Value += ";tag=" + req.localTag()
			}
			m.Headers = append(m.Headers, h)
		case "via", "from", "call-id", "cseq", "record-route":
			m.Headers = append(m.Headers, h)
		}
	}
	m.Headers = append(m.Headers, headers...)
	if body != "" {
		m.Headers = append(m.Headers, Header{"Content-Type", "application/sdp"})
	}
	return req.reply(m.text())
}

// localTag is our tag in answers to a request that had none.
func (m *Message) localTag() string {
	id := m.Get("call-id")
	return "p" + strings.Trim(fmt.Sprintf("%x", id[:min(len(id), 6)]), " ")
}

// Via is a new branch's Via of this phone.
func (p *Phone) Via() Header {
	transport := "UDP"
	if p.TCP {
		transport = "TCP"
	}
	return Header{"Via", fmt.Sprintf("SIP/2.0/%s %s;rport;branch=z9hG4bK%s", transport, p.Addr, Random())}
}

// Contact is where requests of a dialog reach the phone.
func (p *Phone) Contact() Header {
	uri := fmt.Sprintf("sip:%s@%s", p.Name, p.Addr)
	if p.TCP {
		uri += ";transport=tcp"
	}
	return Header{"Contact", "<" + uri + ">"}
}

// Random is a token for tags, branches and Call-IDs.
func Random() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// Ask sends a request outside of calls and waits for its final answer.
func (p *Phone) Ask(to netip.AddrPort, method, uri string, headers ...Header) *Message {
	p.t.Helper()
	m := p.request(method, uri, headers...)
	id := m.Get("call-id")
	c := p.newCall(p.t, id)
	c.Invite, c.server = m, to // so that what refuses an INVITE is acknowledged
	p.mu.Lock()
	p.calls[id] = c
	p.mu.Unlock()
	if err := p.send(m, to); err != nil {
		p.t.Fatal(err)
	}
	for {
		if r := c.Wait("an answer to "+method, 5*time.Second, func(r *Message) bool { return r.Code >= 200 }); r != nil {
			return r
		}
	}
}

func (p *Phone) request(method, uri string, headers ...Header) *Message {
	m := &Message{Method: method, URI: uri, Headers: []Header{p.Via()}}
	has := func(name string) bool {
		for _, h := range headers {
			if canonical(h.Name) == name {
				return true
			}
		}
		return false
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(uri, "sip:"), ";")
	_, at, ok := strings.Cut(host, "@")
	if !ok {
		at = host
	}
	for _, h := range []Header{
		{"From", fmt.Sprintf("<sip:%s@%s>;tag=%s", p.Name, at, Random())}, {"To", "<" + uri + ">"}, {"Call-ID", Random()}, {"CSeq", "1 " + method}, {"Max-Forwards", "70"}, p.Contact(),
	} {
		if !has(canonical(h.Name)) {
			m.Headers = append(m.Headers, h)
		}
	}
	m.Headers = append(m.Headers, headers...)
	return m
}

// Send sends a request that belongs to no call; its answers come to Requests.
func (p *Phone) Send(m *Message, to netip.AddrPort) error { return p.send(m, to) }
