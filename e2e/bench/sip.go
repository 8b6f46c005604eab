package main

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
	made  int
}

func openPhones(server netip.AddrPort, a *audio) (*phones, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	p := &phones{socket: s, server: server, rtp: a.socket.addr.Port(), audio: a, quit: make(chan struct{}), calls: map[string]*caller{}}
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
	c := &caller{id: fmt.Sprintf("bench-%d-%d", time.Now().UnixNano(), p.made), target: fmt.Sprintf("sip:%s@%s", script, p.server)}
	p.calls[c.id] = c
	body := fmt.Sprintf("v=0\r\no=b 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n", p.rtp)
	c.began = time.Now().UnixNano()
	p.write(fmt.Sprintf("INVITE %s SIP/2.0\r\n%sTo: <%s>\r\nCSeq: 1 INVITE\r\nContact: <sip:b@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		c.target, p.head(c, "i"), c.target, p.socket.addr, len(body), body))
	return c
}

func (p *phones) head(c *caller, branch string) string {
	return fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\nFrom: <sip:bench@%s>;tag=f\r\nCall-ID: %s\r\n",
		p.socket.addr, c.id, branch, p.socket.addr, c.id)
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
	c := p.calls[header(text, "Call-ID")]
	if c == nil {
		return
	}
	if strings.HasPrefix(text, "BYE ") {
		c.ended = true
		p.write(fmt.Sprintf("SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
			header(text, "Via"), header(text, "From"), header(text, "To"), c.id, header(text, "CSeq")))
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
			_, rest, _ := strings.Cut(text, "m=audio ")
			port, _, _ := strings.Cut(rest, " ")
			n, _ := strconv.Atoi(port)
			c.port = uint16(n)
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
	time.Sleep(time.Second)
	p.mu.Lock()
	p.calls = map[string]*caller{}
	p.mu.Unlock()
	p.audio.reset()
}

// load starts n calls at a rate and returns them.
func (p *phones) load(script string, n int, rate float64) []*caller {
	var out []*caller
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
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
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
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
