package sip

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// SIP over TLS (RFC 3261 §26.2, RFC 5922): a TCP connection of the hub with a
// handshake in front.

const (
	handshakeTimeout = 10 * time.Second
	maxHandshakes    = 256         // of accepted connections at one time
	certificateLook  = time.Second // how often the files are looked at, at most
)

// TLSFiles are PEM files. They are read again when they change, so that a
// renewed certificate needs no restart.
type TLSFiles struct {
	Cert, Key string   // our chain and private key; needed by a tls listener
	CA        []string // authorities that are trusted beside the system's
}

// certificate is our own one as it was last read.
type certificate struct {
	mu     sync.Mutex
	files  [2]string
	stamps [2]time.Time
	looked time.Time
	cert   *tls.Certificate
	broken string // the error that was logged
}

// current returns the certificate of the files, or the last good one while they
// cannot be read.
func (c *certificate) current(e *Endpoint) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := e.cfg.Load().TLS
	files, now := [2]string{f.Cert, f.Key}, clock.System().Now()
	if c.cert != nil && files == c.files && now.Sub(c.looked) < certificateLook {
		return c.cert, nil
	}
	c.looked = now
	stamps := [2]time.Time{changed(files[0]), changed(files[1])}
	if c.cert != nil && files == c.files && stamps == c.stamps {
		return c.cert, nil
	}
	cert, err := tls.LoadX509KeyPair(files[0], files[1])
	if err == nil {
		c.cert, c.files, c.stamps, c.broken = &cert, files, stamps, ""
		return c.cert, nil
	}
	if c.cert == nil {
		return nil, err
	}
	if c.broken != err.Error() {
		c.broken = err.Error()
		e.log.Warn("the TLS certificate cannot be read, the former one goes on", "error", err)
	}
	return c.cert, nil
}

// changed is the time of a file's last change; zero when it is not there.
func changed(name string) time.Time {
	if info, err := os.Stat(name); err == nil {
		return info.ModTime()
	}
	return time.Time{}
}

// serverTLS is how accepted connections shake hands.
func (e *Endpoint) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return e.certificate.current(e) },
	}
}

// clientTLS is how we shake hands with the server of that name.
func (e *Endpoint) clientTLS(name string) (*tls.Config, error) {
	roots, err := netx.LoadRoots("sip.tls.ca", e.cfg.Load().TLS.CA)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, RootCAs: roots}, nil
}

// checkTLS says whether a tls listener can serve.
func (e *Endpoint) checkTLS() error {
	if _, err := e.certificate.current(e); err != nil {
		return fault.New(fault.Invalid, "sip.tls: %w", err).
			WithHint("cert is the PEM chain that begins with our certificate, key its private key").WithExit(fault.ExitConfig)
	}
	return nil
}

// greet shakes hands on an accepted connection, beside the accept loop: a peer
// that says nothing must not hold up the others. shake closes nothing; what it
// gives is kept as a connection of the transport.
func (h *tcpHub) greet(c net.Conn, transport string, shake func(net.Conn) (net.Conn, error)) {
	if h.greeting.Add(1) > maxHandshakes {
		h.greeting.Add(-1)
		h.refuse(c)
		return
	}
	h.e.spawn(func() {
		defer h.greeting.Add(-1)
		shaken, err := shake(c)
		if err != nil {
			h.e.count.handshakes.Add(1)
			_ = c.Close()
			return
		}
		t, err := h.adopt(shaken, transport, true)
		if err != nil {
			h.refuse(shaken)
			return
		}
		if w, ok := shaken.(*wsConn); ok {
			h.e.spawn(func() { h.ping(t, w) })
		}
	})
}

// shakeTLS is the handshake of an accepted TLS connection.
func (h *tcpHub) shakeTLS(c net.Conn) (net.Conn, error) {
	t := tls.Server(c, h.e.serverTLS())
	return t, h.shake(h.e.ctx, t)
}

func (h *tcpHub) refuse(c net.Conn) {
	h.e.count.connsRefused.Add(1)
	_ = c.Close()
}

func (h *tcpHub) shake(ctx context.Context, t *tls.Conn) error {
	if err := t.SetDeadline(h.deadline(handshakeTimeout)); err != nil {
		return err
	}
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	return t.SetDeadline(time.Time{})
}

// secure shakes hands on a connection that we opened.
func (h *tcpHub) secure(ctx context.Context, c net.Conn, to hop) (net.Conn, error) {
	name := to.name
	if name == "" {
		name = to.addr.Addr().String()
	}
	cfg, err := h.e.clientTLS(name)
	if err != nil {
		return nil, err
	}
	t := tls.Client(c, cfg)
	if err := h.shake(ctx, t); err != nil {
		h.e.count.handshakes.Add(1)
		return nil, fault.New(fault.Network, "sip: TLS with %s at %s: %w", name, to.addr, err).
			WithHint("the certificate must be for %s and by an authority of the system's or of sip.tls.ca", name)
	}
	return t, nil
}
