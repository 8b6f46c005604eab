package bench

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// caller is one call of the load.
type caller struct {
	id       string
	number   int
	began    int64 // INVITE sent
	rang     int64 // 180 received
	answered int64 // 200 received
	ended    bool
	code     int
	toTag    string
	target   string
	port     uint16 // where its RTP goes
}

// phones are all callers on one socket.
type phones struct {
	socket *socket
	server netip.AddrPort
	rtp    uint16
	audio  *audio
	quit   chan struct{}
	done   sync.WaitGroup

	mu    sync.Mutex
	calls map[string]*caller
	taken map[string]bool // calls to us, by Call-ID
	made  int
}

// openPhones takes a port for the callers and whom they call; 0 is any.
func openPhones(server netip.AddrPort, port uint16, a *audio) (*phones, error) {
	s, err := openSocket(port)
	if err != nil {
		return nil, err
	}
	p := &phones{socket: s, server: server, rtp: a.socket.addr.Port(), audio: a, quit: make(chan struct{}), calls: map[string]*caller{}, taken: map[string]bool{}}
	p.done.Add(1)
	go p.read()
	return p, nil
}

func (p *phones) close() {
	close(p.quit)
	p.done.Wait()
	p.socket.close()
}

func (p *phones) read() {
	defer p.done.Done()
	for {
		select {
		case <-p.quit:
			return
		default:
		}
		p.socket.receive(func(r received) { p.take(r.At, string(r.Data)) })
	}
}

// write sends one message; p.mu is held.
func (p *phones) write(text string) {
	p.socket.put(0, p.server.Port(), []byte(text))
	p.socket.send(1)
}

// dial sends one INVITE.
func (p *phones) dial(script string) *caller {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made++
	c := &caller{number: p.made, id: fmt.Sprintf("bench-%d-%d", now().UnixNano(), p.made), target: fmt.Sprintf("sip:%s@%s", script, p.server)}
	p.calls[c.id] = c
	body := p.audio.sound.describe(p.rtp, "1")
	c.began = now().UnixNano()
	p.write(fmt.Sprintf("INVITE %s SIP/2.0\r\n%sTo: <%s>\r\nCSeq: 1 INVITE\r\nContact: <sip:b@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		c.target, p.head(c, "i"), c.target, p.socket.addr, len(body), body))
	return c
}

func (p *phones) head(c *caller, branch string) string {
	return fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\nFrom: <sip:b%d@%s>;tag=f\r\nCall-ID: %s\r\n",
		p.socket.addr, c.id, branch, c.number, p.socket.addr, c.id)
}

func header(text, name string) string {
	_, rest, ok := strings.Cut(text, "\r\n"+name+": ")
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// take follows one message from the server.
func (p *phones) take(at int64, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.HasPrefix(text, "INVITE ") {
		p.pickUp(text)
		return
	}
	c := p.calls[header(text, "Call-ID")]
	if c == nil {
		if strings.HasPrefix(text, "BYE ") || strings.HasPrefix(text, "CANCEL ") || strings.HasPrefix(text, "OPTIONS ") {
			p.reply(text, "200 OK", "", "")
		}
		return
	}
	if strings.HasPrefix(text, "BYE ") {
		c.ended = true
		p.reply(text, "200 OK", "", "")
		return
	}
	if !strings.HasPrefix(text, "SIP/2.0 ") || !strings.HasSuffix(header(text, "CSeq"), "INVITE") {
		return
	}
	code, _ := strconv.Atoi(text[8:11])
	switch {
	case code == 180:
		c.rang = at
	case code >= 200:
		p.final(c, at, code, text)
	}
}

func (p *phones) final(c *caller, at int64, code int, text string) {
	to := header(text, "To")
	if c.code == 0 {
		c.code = code
		if code == 200 {
			c.answered, c.toTag = at, to
			contact := header(text, "Contact")
			c.target = strings.TrimSuffix(contact[strings.IndexByte(contact, '<')+1:], ">")
			c.port = audioPort(text)
			p.audio.add(c.port)
		}
	}
	branch := "i"
	if code == 200 {
		branch = "a"
	}
	p.write(fmt.Sprintf("ACK %s SIP/2.0\r\n%sTo: %s\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", c.target, p.head(c, branch), to))
}

// hangup ends every call that still stands and forgets all.
func (p *phones) hangup() {
	p.mu.Lock()
	for _, c := range p.calls {
		if c.code == 200 && !c.ended {
			p.write(fmt.Sprintf("BYE %s SIP/2.0\r\n%sTo: %s\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n", c.target, p.head(c, "b"), c.toTag))
		}
	}
	p.mu.Unlock()
	pause(time.Second)
	p.mu.Lock()
	p.calls, p.taken = map[string]*caller{}, map[string]bool{}
	p.mu.Unlock()
	p.audio.reset()
}

// load starts n calls at a rate and returns them.
func (p *phones) load(script string, n int, rate float64) []*caller {
	var out []*caller
	began := now()
	for i := range n {
		pause(until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		out = append(out, p.dial(script))
	}
	return out
}

// snapshot copies calls, so that they can be read.
func (p *phones) snapshot(calls []*caller) []caller {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]caller, len(calls))
	for i, c := range calls {
		out[i] = *c
	}
	return out
}

// await waits until all calls fit or the time is over.
func (p *phones) await(calls []*caller, d time.Duration, fits func(caller) bool) {
	for end := now().Add(d); now().Before(end); pause(20 * time.Millisecond) {
		left := 0
		for _, c := range p.snapshot(calls) {
			if !fits(c) {
				left++
			}
		}
		if left == 0 {
			return
		}
	}
}

// pickUp is the other end of bridged calls: it answers at once and sends audio.
func (p *phones) pickUp(text string) {
	id := header(text, "Call-ID")
	if p.taken[id] {
		return // sent twice; the answer is on its way
	}
	p.taken[id] = true
	tag := "1"
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "a=crypto:"); ok && strings.Contains(rest, cryptoSuite+" ") {
			tag, _, _ = strings.Cut(rest, " ")
		}
	}
	p.audio.add(audioPort(text))
	p.reply(text, "200 OK", ";tag=callee", p.audio.sound.describe(p.rtp, tag))
}

// reply answers a request; p.mu is held.
func (p *phones) reply(request, status, toTag, body string) {
	contact := ""
	if body != "" {
		contact = fmt.Sprintf("Contact: <sip:b@%s>\r\nContent-Type: application/sdp\r\n", p.socket.addr)
	}
	p.write(fmt.Sprintf("SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		status, header(request, "Via"), header(request, "From"), header(request, "To"), toTag, header(request, "Call-ID"), header(request, "CSeq"), contact, len(body), body))
}

// audioPort is where the audio of a message's session description goes.
func audioPort(text string) uint16 {
	_, rest, _ := strings.Cut(text, "m=audio ")
	port, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}
