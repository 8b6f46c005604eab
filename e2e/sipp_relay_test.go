package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Debian's SIPp is built without TLS, so that its TCP is carried over TLS by a
// relay: plain to SIPp and TLS to the engine, in both directions. The scenario
// writes TLS in its Via headers and the relay's address in its Contact.
//
// A relay that cuts lets every message come in pieces, as a network may.
type relay struct {
	net.Listener
	dial func() (net.Conn, error)
	cut  int // bytes at a time on the way in, 0: as they come

	mu    sync.Mutex
	conns []net.Conn
	over  bool
	wg    sync.WaitGroup
}

// newRelay carries what comes to l to where dial leads, until the test ends.
func newRelay(t testing.TB, l net.Listener, cut int, dial func() (net.Conn, error)) *relay {
	r := &relay{Listener: l, dial: dial, cut: cut}
	r.wg.Add(1)
	go r.accept()
	t.Cleanup(r.end)
	return r
}

func (r *relay) accept() {
	defer r.wg.Done()
	for {
		in, err := r.Accept()
		if err != nil {
			return
		}
		out, err := r.dial()
		if err != nil || !r.keep(in, out) {
			in.Close()
			if err == nil {
				out.Close()
			}
			continue
		}
		r.wg.Add(2)
		go r.carry(out, in, r.cut)
		go r.carry(in, out, 0)
	}
}

func (r *relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conns...)
	return !r.over
}

func (r *relay) carry(to, from net.Conn, cut int) {
	defer r.wg.Done()
	defer to.Close()
	defer from.Close()
	if cut == 0 {
		_, _ = io.Copy(to, from)
		return
	}
	buf := make([]byte, cut)
	for {
		n, err := from.Read(buf)
		if _, bad := to.Write(buf[:n]); err != nil || bad != nil {
			return
		}
		time.Sleep(200 * time.Microsecond) // so that it leaves in a segment of its own
	}
}

func (r *relay) end() {
	r.Close()
	r.mu.Lock()
	r.over = true
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// toTLS listens for SIPp and speaks TLS to the engine.
func toTLS(t testing.TB, config *tls.Config, engine string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newRelay(t, l, 0, func() (net.Conn, error) { return tls.Dial("tcp", engine, config) })
}

// fromTLS listens with TLS for the engine and speaks plain TCP to SIPp.
func fromTLS(t testing.TB, config *tls.Config, sipp string) *relay {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	return newRelay(t, l, 0, func() (net.Conn, error) { return net.Dial("tcp", sipp) })
}

// inPieces listens for SIPp and sends on a few bytes at a time.
func inPieces(t testing.TB, engine string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newRelay(t, l, 37, func() (net.Conn, error) { return net.Dial("tcp", engine) })
}
