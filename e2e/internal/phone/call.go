package phone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Call is one dialog of a phone, or the attempt at one, with its audio.
type Call struct {
	ID    string
	Media *Media
	// Invite is the first INVITE, of either side.
	Invite *Message
	// Lazy keeps the phone from acknowledging final answers by itself.
	Lazy bool
	// Deaf keeps it from answering anything by itself.
	Deaf bool

	phone    *Phone
	t        testing.TB
	in       chan *Message
	ended    chan struct{} // closed by the peer's BYE or CANCEL
	outgoing bool
	server   netip.AddrPort // where requests go

	mu        sync.Mutex
	log       []*Message
	localTag  string
	remoteTag string
	target    string // remote target
	seq       int
	acks      map[int]*Message // ACKs of our INVITEs, by CSeq
	finals    map[int]int      // code of the first final answer, by CSeq
	done      bool
}

// Dial sends an INVITE for uri to the server. offer "" is a late offer.
func (p *Phone) Dial(uri string, server netip.AddrPort, offer string, headers ...Header) *Call {
	p.t.Helper()
	c := p.newCall(p.t, Random())
	c.outgoing, c.server, c.target, c.localTag, c.seq = true, server, uri, Random(), 1
	c.Invite = p.request("INVITE", uri, append([]Header{
		{"From", fmt.Sprintf("<sip:%s@%s>;tag=%s", p.Name, p.Addr, c.localTag)}, {"Call-ID", c.ID},
	}, headers...)...)
	if offer != "" {
		c.Invite.Body = offer
		c.Invite.Headers = append(c.Invite.Headers, Header{"Content-Type", "application/sdp"})
	}
	p.mu.Lock()
	p.calls[c.ID] = c
	p.mu.Unlock()
	c.transmit(c.Invite)
	return c
}

// Call dials with an ordinary offer of A-law, mu-law and events.
func (p *Phone) Call(uri string, server netip.AddrPort, headers ...Header) *Call {
	p.t.Helper()
	m := NewMedia(p.t, p.Addr.Addr())
	c := p.Dial(uri, server, m.Offer(), headers...)
	c.Media = m
	return c
}

func (p *Phone) newCall(t testing.TB, id string) *Call {
	return &Call{
		ID: id, Lazy: p.Lazy, phone: p, t: t, in: make(chan *Message, mailbox), ended: make(chan struct{}), acks: map[int]*Message{}, finals: map[int]int{},
	}
}

// incoming is the call of an INVITE. p.mu is held.
func (p *Phone) incoming(m *Message) *Call {
	c := p.newCall(p.t, m.Get("call-id"))
	c.Invite, c.server, c.localTag, c.remoteTag = m, m.From, m.localTag(), Tag(m.Get("from"))
	c.target = URI(m.Get("contact"))
	return c
}

// Next is the next incoming call. From here on it belongs to t, which may be a
// subtest of the phone's.
func (p *Phone) Next(t testing.TB, d time.Duration) *Call {
	t.Helper()
	c, ok := await(Within(d), p.Calls)
	if !ok {
		t.Fatalf("%s: nobody calls within %s", p.Name, d)
		return nil
	}
	c.t = t
	return c
}

func (c *Call) transmit(m *Message) {
	c.t.Helper()
	if err := c.phone.send(m, c.server); err != nil {
		c.t.Fatalf("%s: %s: %v", c.phone.Name, m, err)
	}
	if c.phone.Patient && !c.phone.TCP && m.Method != "ACK" && m.Code == 0 {
		c.repeat(m, timerT1)
	}
}

// Timers of RFC 3261 §17.1.2.1.
const (
	timerT1 = 500 * time.Millisecond
	timerT2 = 4 * time.Second
)

// repeat sends a request again and again until it is answered.
func (c *Call) repeat(m *Message, after time.Duration) {
	time.AfterFunc(after, func() {
		n, method := m.CSeq()
		for _, answer := range c.Log() {
			if k, of := answer.CSeq(); answer.Code > 0 && k == n && of == method {
				return
			}
		}
		if !c.phone.closed() && c.phone.send(m, c.server) == nil {
			c.repeat(m, min(2*after, timerT2))
		}
	})
}

// take keeps a message and does what every phone must.
func (c *Call) take(m *Message) {
	c.mu.Lock()
	c.log = append(c.log, m)
	c.mu.Unlock()
	if m.Code > 0 {
		c.answered(m)
	} else if !c.Deaf {
		c.asked(m)
	}
	select {
	case c.in <- m:
	default:
	}
}

// answered learns the dialog from an answer and acknowledges final ones.
func (c *Call) answered(m *Message) {
	n, method := m.CSeq()
	if method != "INVITE" || m.Code < 180 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.remoteTag == "" || m.Code/100 == 2 && c.finals[n] == 0 {
		c.remoteTag = Tag(m.Get("to"))
	}
	if to := URI(m.Get("contact")); to != "" && m.Code < 300 {
		c.target = to
	}
	if m.Code < 200 {
		return
	}
	if c.finals[n] == 0 {
		c.finals[n] = m.Code
	}
	switch ack := c.acks[n]; {
	case c.Deaf || c.Lazy && ack == nil:
	case ack != nil:
		_ = c.phone.send(ack, c.server)
	default:
		c.acks[n] = c.ackFor(m, "")
		_ = c.phone.send(c.acks[n], c.server)
	}
}

// ackFor builds the ACK of a final answer: in the transaction of the INVITE
// for a refusal (RFC 3261 §17.1.1.3), on its own for a 2xx. c.mu is held.
func (c *Call) ackFor(m *Message, body string) *Message {
	n, _ := m.CSeq()
	ack := &Message{Method: "ACK", URI: c.target, Body: body}
	via := c.phone.Via()
	if m.Code >= 300 {
		via, ack.URI = Header{"Via", m.Get("via")}, c.Invite.URI
	}
	ack.Headers = []Header{via, {"Max-Forwards", "70"}, {"From", m.Get("from")}, {"To", m.Get("to")}, {"Call-ID", c.ID}, {"CSeq", fmt.Sprintf("%d ACK", n)}}
	if body != "" {
		ack.Headers = append(ack.Headers, Header{"Content-Type", "application/sdp"})
	}
	return ack
}

// Ack acknowledges a 2xx by hand, for Lazy calls and late offers.
func (c *Call) Ack(m *Message, body string) {
	c.t.Helper()
	c.mu.Lock()
	n, _ := m.CSeq()
	ack := c.ackFor(m, body)
	c.acks[n] = ack
	c.mu.Unlock()
	c.transmit(ack)
}

// asked answers the requests that every phone answers.
func (c *Call) asked(m *Message) {
	switch m.Method {
	case "BYE":
		_ = c.phone.Reply(m, 200, "OK", "")
		c.end()
	case "CANCEL":
		_ = c.phone.Reply(m, 200, "OK", "")
		_ = c.phone.Reply(c.Invite, 487, "Request Terminated", "")
		c.end()
	case "OPTIONS", "INFO", "NOTIFY":
		_ = c.phone.Reply(m, 200, "OK", "")
	}
}

func (c *Call) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done {
		c.done = true
		close(c.ended)
	}
}

// Ended waits for the peer's BYE or CANCEL.
func (c *Call) Ended(d time.Duration) {
	c.t.Helper()
	if !Within(d).Await(c.ended) {
		c.t.Fatalf("%s: the other side does not end the call within %s\n%s", c.phone.Name, d, c.Trace())
	}
}

// IsOver reports whether the peer has ended the call.
func (c *Call) IsOver() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// Wait takes messages until one fits.
func (c *Call) Wait(what string, d time.Duration, fits func(*Message) bool) *Message {
	c.t.Helper()
	for p := Within(d); ; {
		m, ok := await(p, c.in)
		if !ok {
			c.t.Fatalf("%s: no %s within %s\n%s", c.phone.Name, what, d, c.Trace())
			return nil
		}
		if fits(m) {
			return m
		}
	}
}

// Answer waits for an answer with that code to a request of that method.
func (c *Call) Answer(code int, method string, d time.Duration) *Message {
	c.t.Helper()
	m := c.Wait(fmt.Sprintf("%d (%s)", code, method), d, func(m *Message) bool {
		_, of := m.CSeq()
		if of == method && m.Code >= 200 && m.Code != code && code >= 200 {
			c.t.Fatalf("%s: %s instead of %d\n%s", c.phone.Name, m, code, c.Trace())
		}
		return m.Code == code && of == method
	})
	return m
}

// Cancelled waits for what a CANCEL brings, in whichever order it comes: 200 to
// itself and 487 to the INVITE.
func (c *Call) Cancelled(d time.Duration) {
	c.t.Helper()
	ok, terminated := false, false
	c.Wait("200 (CANCEL) and 487 (INVITE)", d, func(m *Message) bool {
		_, of := m.CSeq()
		ok = ok || m.Code == 200 && of == "CANCEL"
		terminated = terminated || m.Code == 487 && of == "INVITE"
		return ok && terminated
	})
}

// Request waits for a request of the other side.
func (c *Call) Request(method string, d time.Duration) *Message {
	c.t.Helper()
	return c.Wait(method, d, func(m *Message) bool { return m.Method == method })
}

// Talk waits for the answer and lets audio flow.
func (c *Call) Talk(d time.Duration) *Message {
	c.t.Helper()
	m := c.Answer(200, "INVITE", d)
	c.Media.Connect(m.Body)
	c.Media.Start()
	return m
}

// Log are all messages received so far, repetitions included.
func (c *Call) Log() []*Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

// Count is how many received messages begin with that start line.
func (c *Call) Count(start string) int {
	n := 0
	for _, m := range c.Log() {
		if strings.HasPrefix(m.String(), start) {
			n++
		}
	}
	return n
}

// Trace is what was received, for failures.
func (c *Call) Trace() string {
	var b strings.Builder
	for _, m := range c.Log() {
		fmt.Fprintf(&b, "  %s %s\n", m.At.Format("05.000"), m)
	}
	return "received:\n" + b.String()
}
