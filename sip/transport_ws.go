package sip

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/loopstart/loopstart/internal/clock"
)

// SIP over WebSocket (RFC 7118): a connection of the hub with an HTTP upgrade
// in front, in which a WebSocket message is a SIP message. A browser has no port
// that could be called, so everything for it goes down the connection that it
// opened (RFC 5626); in the same way we are called by a trunk down ours
// (transport_wsout.go).

const (
	wsProtocol    = "sip"            // the subprotocol, RFC 7118 §4
	maxUpgrade    = 16 << 10         // bytes of the HTTP request
	wsPing        = 30 * time.Second // between our pings, below what proxies and NATs allow
	wsPong        = 10 * time.Second // for the answer to one
	wsReadLimit   = MaxMessage       // bytes of one WebSocket message
	upgradeWindow = handshakeTimeout // for the whole upgrade
)

// isWS tells that the transport runs over WebSocket.
func isWS(transport string) bool { return transport == "ws" || transport == "wss" }

// wsConn is a WebSocket as the hub sees it. Deadlines are the socket's own.
type wsConn struct {
	net.Conn // the socket below
	ws       *websocket.Conn
}

// NetConn is the socket below, as tls.Conn gives it.
func (c *wsConn) NetConn() net.Conn { return c.Conn }

// Read is not used: messages come whole, from message.
func (c *wsConn) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// message is the next WebSocket message. Both kinds are taken (RFC 7118 §5.1).
func (c *wsConn) message() ([]byte, error) {
	_, data, err := c.ws.Read(context.Background()) // the socket's deadline bounds it
	return data, err
}

// Write sends one SIP message.
func (c *wsConn) Write(p []byte) (int, error) {
	kind := websocket.MessageText
	if !utf8.Valid(p) {
		kind = websocket.MessageBinary
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if err := c.ws.Write(ctx, kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline sets none: one on the socket would outlive the message, and
// end the connection at the next ping or pong. Each write has its own limit.
func (c *wsConn) SetWriteDeadline(time.Time) error { return nil }

// Close ends the connection without a farewell, which could block.
func (c *wsConn) Close() error { return c.ws.CloseNow() }

// nextWS is frame for a WebSocket: what is read is a message already.
func (c *tcpConn) nextWS(w *wsConn) ([]byte, error) {
	for {
		var err error
		switch {
		case c.begun:
			err = c.idle()
		case !c.timed:
			err = c.SetReadDeadline(c.hub.deadline(firstMessage))
		}
		if err != nil {
			return nil, err
		}
		c.timed = true
		data, err := w.message()
		if err != nil {
			return nil, err
		}
		if !isKeepAlive(data) {
			return data, nil
		}
		if len(data) == 4 { // RFC 5626 §3.5.1
			if _, err := c.Write([]byte("\r\n")); err != nil {
				return nil, err
			}
		}
	}
}

// shakeWS upgrades an accepted connection; the end of the endpoint ends it.
func (h *tcpHub) shakeWS(c net.Conn, transport string) (net.Conn, error) {
	stop := context.AfterFunc(h.e.ctx, func() { _ = c.Close() })
	defer stop()
	w, err := h.upgrade(c, transport)
	if err != nil {
		return nil, err
	}
	return w, nil
}

var errNoSubprotocol = errors.New("the subprotocol sip was not asked for")

// upgrade shakes hands: TLS for wss, then HTTP.
func (h *tcpHub) upgrade(c net.Conn, transport string) (*wsConn, error) {
	if err := c.SetDeadline(h.deadline(upgradeWindow)); err != nil {
		return nil, err
	}
	if transport == "wss" {
		t := tls.Server(c, h.e.serverTLS())
		if err := t.HandshakeContext(h.e.ctx); err != nil {
			return nil, err
		}
		c = t
	}
	in := bufio.NewReader(io.LimitReader(c, maxUpgrade))
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil, err
	}
	w := &upgradeWriter{conn: c, in: in, header: http.Header{}}
	if !offersSIP(r) {
		http.Error(w, errNoSubprotocol.Error(), http.StatusBadRequest)
		return nil, errNoSubprotocol
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{wsProtocol}, OriginPatterns: h.e.cfg.Load().Origins,
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(wsReadLimit)
	return &wsConn{Conn: c, ws: ws}, c.SetDeadline(time.Time{})
}

func offersSIP(r *http.Request) bool {
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		if slices.ContainsFunc(strings.Split(v, ","), func(p string) bool { return strings.EqualFold(strings.TrimSpace(p), wsProtocol) }) {
			return true
		}
	}
	return false
}

// ping keeps the way open through NATs and proxies, which a page cannot do
// itself, and finds out when the other side is gone.
func (h *tcpHub) ping(t *tcpConn, w *wsConn) {
	for h.wait(wsPing/time.Duration(max(h.e.hurry, 1)), t.gone) {
		ctx, cancel := context.WithTimeout(h.e.ctx, wsPong)
		err := w.ws.Ping(ctx)
		cancel()
		if err != nil {
			_ = t.Close()
			return
		}
	}
}

// wait is a pause; false means that the hub closed, or what ends is at its end.
func (h *tcpHub) wait(d time.Duration, ends <-chan struct{}) bool {
	over := make(chan struct{})
	t := clock.System().AfterFunc(d, func() { close(over) })
	defer t.Stop()
	select {
	case <-over:
		return true
	case <-ends:
		return false
	case <-h.closed:
		return false
	}
}

// upgradeWriter is the least http.ResponseWriter that an upgrade needs.
type upgradeWriter struct {
	conn   net.Conn
	in     *bufio.Reader
	header http.Header
	begun  bool
}

// Header implements http.ResponseWriter.
func (w *upgradeWriter) Header() http.Header { return w.header }

// WriteHeader sends the status line and the header.
func (w *upgradeWriter) WriteHeader(code int) {
	if w.begun {
		return
	}
	w.begun = true
	if code != http.StatusSwitchingProtocols {
		w.header.Set("Connection", "close")
	}
	out := bufio.NewWriter(w.conn)
	_, _ = out.WriteString("HTTP/1.1 " + strconv.Itoa(code) + " " + http.StatusText(code) + "\r\n")
	_ = w.header.Write(out)
	_, _ = out.WriteString("\r\n")
	_ = out.Flush() // a dead connection shows in the next read
}

// Write implements http.ResponseWriter.
func (w *upgradeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.conn.Write(p)
}

// Hijack implements http.Hijacker.
func (w *upgradeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(w.in, bufio.NewWriter(w.conn)), nil
}
