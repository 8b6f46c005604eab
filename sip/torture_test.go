package sip

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// silence is how long after a sign of life no answer may come for it to count
// as none.
const silence = 60 * time.Millisecond

// medium sends messages and hears what comes back, over one transport.
type medium interface {
	send(string)
	hear(time.Duration) (packet, bool)
	fresh() // a connection that is not spoilt by what went before
}

// viaPorts are UDP from port 5060 of a loopback address of this process: the
// messages do not ask for rport, and most name no port.
type viaPorts struct {
	t  *testing.T
	c  *net.UDPConn
	to *net.UDPAddr
	in map[uint16]chan packet
}

func newViaPorts(t *testing.T, to netip.AddrPort) *viaPorts {
	t.Helper()
	d := &viaPorts{t: t, to: net.UDPAddrFromAddrPort(to), in: map[uint16]chan packet{0: make(chan packet, 1000)}}
	pid := os.Getpid()
	for i := range 50 {
		host := fmt.Sprintf("127.%d.%d.%d", 64+i, pid>>8&0xff, pid&0xff|1)
		// The ports that the messages' Via ask for.
		var conns []*net.UDPConn
		for _, port := range []int{5060, 5050, 5070, 6050, 19823} {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host), Port: port})
			if err != nil {
				break
			}
			conns = append(conns, c)
		}
		if len(conns) < 5 {
			for _, c := range conns {
				_ = c.Close()
			}
			continue
		}
		d.c = conns[0]
		for _, c := range conns {
			d.listen(c)
		}
		return d
	}
	t.Skip("no address with port 5060 is free")
	return nil
}

func (d *viaPorts) listen(c *net.UDPConn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 70000)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			d.in[0] <- readPacket(buf[:n])
		}
	}()
	d.t.Cleanup(func() { _ = c.Close(); <-done })
}

func (d *viaPorts) send(s string) {
	if _, err := d.c.WriteToUDP([]byte(s), d.to); err != nil {
		d.t.Fatal(err)
	}
}

func (d *viaPorts) hear(wait time.Duration) (packet, bool) {
	select {
	case w := <-d.in[0]:
		return w, true
	case <-time.After(wait):
		return packet{}, false
	}
}

func (d *viaPorts) fresh() {}

// stream is TCP, a connection for each message.
type stream struct {
	t  *testing.T
	to netip.AddrPort
	s  *streamPeer
}

func (s *stream) fresh() {
	if s.s != nil {
		_ = s.s.conn.Close()
	}
	s.s = dialTCP(s.t, s.to)
}

func (s *stream) send(text string) { _, _ = s.s.conn.Write([]byte(text)) }

func (s *stream) hear(wait time.Duration) (packet, bool) {
	_ = s.s.conn.SetReadDeadline(time.Now().Add(wait))
	w, err := s.s.read()
	return w, err == nil
}

// TestTorture sends every message of RFC 4475 and RFC 5118 to a real endpoint,
// over UDP and TCP, in three orders, and looks at the answers. RELIABILITY.md
// has the table.
func TestTorture(t *testing.T) {
	list := append(rfc4475(), rfc5118()...)
	if len(rfc4475()) != 49 {
		t.Fatalf("%d messages of RFC 4475", len(rfc4475()))
	}
	strict := map[string]bool{}
	for _, m := range list {
		strict[m.name] = true
	}
	for _, transport := range []string{"udp", "tcp"} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s order %d", transport, seed), func(t *testing.T) {
				order := slices.Clone(list)
				switch seed {
				case 1:
					slices.Reverse(order)
				case 2:
					rand.New(rand.NewPCG(1, 2)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
				}
				suffer(t, transport, order, strict)
			})
		}
	}
	if t.Failed() {
		return
	}
	var lenient []string
	for _, m := range list {
		if !strict[m.name] {
			lenient = append(lenient, m.name)
		}
	}
	t.Logf("lenient: %s", strings.Join(lenient, ", "))
	if len(lenient) > 4 {
		t.Errorf("only %d of %d are answered strictly", len(list)-len(lenient), len(list))
	}
}

// suffer sends the messages and notes which are not answered strictly.
func suffer(t *testing.T, transport string, list []torture, strict map[string]bool) {
	r := newRig(t, nil)
	done := make(chan struct{})
	go func() { // every call that reaches a script is busy
		defer close(done)
		for d := range r.calls {
			_ = d.Reject(486, "")
			go func() {
				for range d.Events() {
				}
			}()
		}
	}()
	t.Cleanup(func() { close(r.calls); <-done })
	var w medium
	if transport == "udp" {
		w = newViaPorts(t, r.LocalAddr("udp"))
	} else {
		s := &stream{t: t, to: r.LocalAddr("tcp")}
		t.Cleanup(func() { _ = s.s.conn.Close() })
		w = s
	}
	for i, m := range list {
		got := answerTo(w, m, i, transport)
		switch {
		case slices.Contains(m.strict, got):
		case slices.Contains(m.lenient, got):
			strict[m.name] = false
		default:
			t.Errorf("%s (%s) over %s: %d, want %v or %v", m.name, m.section, transport, got, m.strict, m.lenient)
		}
	}
	if n := r.Stats().Panics; n > 0 {
		t.Errorf("%d panics", n)
	}
}

// answerTo is the status of the first final answer, 1 for a call that reached
// its script, 0 for none although the endpoint lives.
func answerTo(w medium, m torture, i int, transport string) int {
	w.fresh()
	w.send(m.text)
	id := callIDOf(m.text)
	probe := ""
	if m.strict[0] == 0 || slices.Contains(m.lenient, 0) {
		if transport == "tcp" {
			probe = "tcp"
		} else {
			probe = fmt.Sprintf("alive%d", i)
			w.send("OPTIONS sip:x@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h.example.com;branch=z9hG4bK" + probe +
				"\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@example.com>\r\nCall-ID: " + probe + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
		}
	}
	wait := patience
	if probe == "tcp" {
		wait = silence
	}
	for {
		p, ok := w.hear(wait)
		switch {
		case !ok:
			return 0
		case p.get("Call-ID") == probe && probe != "":
			wait = silence
		case p.code() < 200 || p.get("Call-ID") != id:
		case p.code() == 486:
			return 1
		default:
			return p.code()
		}
	}
}

// callIDOf reads it as a line; "" when there is none.
func callIDOf(text string) string {
	for line := range strings.SplitSeq(text, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if n := strings.ToLower(strings.TrimSpace(name)); n == "call-id" || n == "i" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
