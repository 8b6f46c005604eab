package sip

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

// tcpConn is one TCP connection as sipgo sees it: each of its messages passed
// inspect. It cuts the stream itself, because a message that is refused still
// has to be skipped and answered, and because half a message must not wait.
type tcpConn struct {
	net.Conn
	hub        *tcpHub
	transport  string // "tcp", "tls", "ws" or "wss"
	key        string // of the connection in the hub and in sipgo's pool
	source     netip.AddrPort
	accepted   bool
	registered chan struct{}
	since      time.Time   // when it came
	kept       atomic.Bool // a user, a trunk or a trusted peer
	idleMu     sync.Mutex  // so that keep comes before or after the reader's deadline
	spoke      atomic.Bool // a whole message came
	once       sync.Once
	gone       chan struct{} // closed with the connection
	ended      sync.Once

	in     reader
	stream []byte // read, not yet a whole message
	left   []byte // of the message that sipgo is reading
	begun  bool   // a whole message came already
	timed  bool   // the deadline belongs to the message being read
}

var errFraming = errors.New("sip: no message boundary in the stream")

// keep gives the connection the idle time of known peers. Its reader waits for
// the next message already, with the time of a stranger.
func (c *tcpConn) keep() {
	c.idleMu.Lock()
	defer c.idleMu.Unlock()
	if c.kept.CompareAndSwap(false, true) {
		_ = c.Conn.SetReadDeadline(c.hub.deadline(keptIdleTimeout)) // fails where it has ended
	}
}

// idle bounds the wait for the next message of a peer that has spoken.
func (c *tcpConn) idle() error {
	c.idleMu.Lock()
	defer c.idleMu.Unlock()
	d := idleTimeout
	if c.kept.Load() {
		d = keptIdleTimeout
	}
	return c.Conn.SetReadDeadline(c.hub.deadline(d))
}

// LocalAddr hides the bound address: sipgo's pool would offer this connection
// for requests to it.
func (c *tcpConn) LocalAddr() net.Addr { return pseudoAddr("0.0.0.0:0") }

func (c *tcpConn) local() netip.AddrPort {
	if a, ok := c.Conn.LocalAddr().(*net.TCPAddr); ok {
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	return netip.AddrPort{}
}

func (c *tcpConn) delivered() netip.AddrPort {
	c.in.pending = false
	return c.source
}

// Read yields the next message. An error ends sipgo's reader.
func (c *tcpConn) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.hub.e.panicked(r, debug.Stack())
			n, err = 0, errFraming
		}
		if err != nil {
			_ = c.Close()
			c.ended.Do(c.hub.e.wg.Done)
		}
	}()
	for len(c.left) == 0 {
		if c.in.unread(c.hub.e) {
			_, _ = c.Write(c.in.out.Bytes())
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n = copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// next waits for a whole message and inspects it.
func (c *tcpConn) next() error {
	message, err := c.frame()
	if message == nil {
		return err
	}
	c.in.source = c.source
	pass, answer := c.hub.e.inspect(&c.in.raw, message, c.source, !isWS(c.transport), &c.in.out)
	if answer {
		_, _ = c.Write(c.in.out.Bytes()) // a dead connection shows in the next read
	}
	if pass && c.parses() {
		c.spoke.Store(true)
		c.hub.e.heard(&c.in.raw, message, c.local(), c.source, c.transport)
		c.begun, c.timed = true, false
		c.in.pending = true
		c.left = c.in.out.Bytes()
	}
	return err
}

// parses tries the parser of sipgo, whose panic on its own goroutine would end
// the process and whose error the connection.
func (c *tcpConn) parses() bool {
	if _, err := gosip.ParseMessage(c.in.out.Bytes()); err == nil {
		return true
	}
	c.in.pending = true
	if c.in.unread(c.hub.e) {
		_, _ = c.Write(c.in.out.Bytes())
	}
	return false
}

// frame returns the next message of the stream. With errFraming it returns
// what can still be answered before the connection ends.
func (c *tcpConn) frame() ([]byte, error) {
	if w, ok := c.Conn.(*wsConn); ok {
		return c.nextWS(w)
	}
	for {
		if err := c.skipKeepAlives(); err != nil {
			return nil, err
		}
		size, err := messageSize(c.stream)
		if err != nil {
			return c.stream, err
		}
		if size > 0 && size <= len(c.stream) {
			message := c.stream[:size:size]
			c.stream = c.stream[size:]
			return message, nil
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// skipKeepAlives answers a double CRLF between messages with one
// (RFC 5626 §3.5.1).
func (c *tcpConn) skipKeepAlives() error {
	for bytes.HasPrefix(c.stream, []byte("\r\n\r\n")) {
		c.stream = c.stream[4:]
		if _, err := c.Write([]byte("\r\n")); err != nil {
			return err
		}
	}
	if len(c.stream) >= 3 && bytes.HasPrefix(c.stream, []byte("\r\n")) && c.stream[2] != '\r' {
		c.stream = c.stream[2:]
	}
	return nil
}

// fill reads more of the stream. The time of a message runs from its first
// byte, that of the first message from the connection's start.
func (c *tcpConn) fill() error {
	d, restart := time.Duration(0), true
	switch {
	case !c.begun:
		d, restart = firstMessage, !c.timed
	case !isKeepAlive(c.stream):
		d, restart = messageTimeout, !c.timed
	}
	c.timed = !c.begun || !isKeepAlive(c.stream)
	switch {
	case d == 0:
		if err := c.idle(); err != nil {
			return err
		}
	case restart:
		if err := c.Conn.SetReadDeadline(c.hub.deadline(d)); err != nil {
			return err
		}
	}
	buf := make([]byte, 4096)
	n, err := c.Conn.Read(buf)
	if n > 0 {
		c.stream = append(c.stream, buf[:n]...)
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// messageSize is the length of the message at the start of b, 0 when its
// headers are not complete.
func messageSize(b []byte) (int, error) {
	if len(b) > 2*MaxMessage {
		return 0, errFraming
	}
	head, _, found := cutHead(b)
	if !found {
		if len(b) > MaxMessage {
			return 0, errFraming
		}
		return 0, nil
	}
	lines := &lineReader{rest: head}
	end := len(head) + 2
	if b[len(head)] == '\n' {
		end = len(head) + 1
	}
	for line, ok := lines.next(); ok; line, ok = lines.next() {
		name, value, _ := strings.Cut(line, ":")
		if longName(strings.TrimSpace(name)) != "content-length" {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
		if err != nil || n > MaxMessage {
			return end, errFraming
		}
		return end + int(n), nil
	}
	return end, errFraming
}

// Write sends with a deadline: a peer that does not read must not hold a dialog.
func (c *tcpConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(c.hub.deadline(writeTimeout)); err != nil {
		c.hub.e.count.writeErrors.Add(1)
		return asLost(p, 0, err)
	}
	c.hub.e.said(p, c.local(), c.source, c.transport) // before it is answered
	n, err := c.Conn.Write(p)
	if err != nil {
		c.hub.e.count.writeErrors.Add(1)
		_ = c.Conn.Close() // half a message may be out; the reader ends by it
		return asLost(p, n, err)
	}
	return n, nil
}

// Close ends the connection and frees its place.
func (c *tcpConn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		close(c.gone)
		c.hub.forget(c)
		err = c.Conn.Close()
	})
	return err
}
