package sip

import (
	"context"
	"crypto/x509"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
)

// TestExplainError: what comes from the sockets, TLS and DNS themselves is put
// into words that tell what to do.
func TestExplainError(t *testing.T) {
	quiet, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = quiet.Close() })
	go func() {
		for c, err := quiet.Accept(); err == nil; c, err = quiet.Accept() {
			_, _ = c.Write([]byte("SIP/2.0 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}
	}()
	files := issue(t, t.TempDir(), 1)
	server := newRig(t, withTLS(files))
	secure := strconv.Itoa(int(server.LocalAddr("tls").Port()))
	_, plain, _ := net.SplitHostPort(quiet.Addr().String())
	for _, c := range [...]struct{ address, words, hint string }{
		{"127.0.0.1:9;transport=tcp", "nobody listens there", "check port"},
		{"127.0.0.1:" + plain + ";transport=tls", "does not speak TLS", "check the port"},
		{"localhost:" + secure + ";transport=tls", "authority that nobody here knows", "sip.tls.ca"},
	} {
		r := newRig(t, func(cfg *Config, _ *Deps) { cfg.Trunks = []Trunk{{Name: "t", Address: c.address}} })
		report, err := r.CheckTrunk(context.Background(), "t")
		if err != nil || len(report.Steps) != 2 {
			t.Fatalf("%+v %v", report, err)
		}
		if s := report.Steps[1]; s.OK || !strings.Contains(s.Words, c.words) || !strings.Contains(s.Hint, c.hint) {
			t.Errorf("%s: %q, hint %q", c.address, s.Words, s.Hint)
		}
	}
	wrap := func(err error) error { return fault.New(fault.Network, "sip: OPTIONS to h: %w", err) }
	for words, err := range map[string]error{
		"is not in DNS":       wrap(&net.DNSError{Name: "h", IsNotFound: true}),
		"DNS does not answer": wrap(&net.DNSError{Name: "h", IsTimeout: true}),
		"for another name":    wrap(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: "h"}),
		"out of date":         wrap(x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{}}),
		"no answer in time":   wrap(context.DeadlineExceeded),
		"no listener":         wrap(errNoListener),
	} {
		if got, hint := explainError(err); !strings.Contains(got, words) || hint == "" {
			t.Errorf("%v: %q, hint %q", err, got, hint)
		}
	}
	for _, err := range []error{digest.ErrRejected, digest.ErrRealm, digest.ErrUnsupported, errNoPassword} {
		if words, hint := explainProof(err); words == "" || hint == "" {
			t.Errorf("%v: %q, hint %q", err, words, hint)
		}
	}
}

// TestRefusalsHaveHints: every answer that is no success says what to look at.
func TestRefusalsHaveHints(t *testing.T) {
	for _, code := range [...]int{302, 400, 403, 404, 405, 408, 423, 480, 488, 500, 501, 503, 504, 606} {
		p := newProvider(t)
		c := p.trunk()
		c.Register, c.Options = false, 0
		e, _, _ := p.open(Config{Trunks: []Trunk{c}})
		done := make(chan TrunkReport, 1)
		go func() {
			r, _ := e.CheckTrunk(context.Background(), "mango")
			done <- r
		}()
		p.answer(p.receive(), 200, "OK") // OPTIONS
		p.answer(p.receive(), code, "No")
		select {
		case r := <-done:
			if s := r.Steps[len(r.Steps)-1]; !s.OK || !strings.Contains(s.Words, "do not depend on it") || s.Code != code || s.Hint == "" || strings.Contains(s.Words, "not expected") {
				t.Errorf("%d: %+v", code, s)
			}
		case <-time.After(wireWait):
			t.Fatalf("%d: the check goes on", code)
		}
	}
}
