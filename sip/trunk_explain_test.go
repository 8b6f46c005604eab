package sip

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
	"github.com/loopstart/loopstart/sip/dns"
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
	rude, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rude.Close() })
	go func() {
		for c, err := rude.Accept(); err == nil; c, err = rude.Accept() {
			_ = c.Close()
		}
	}()
	_, closing, _ := net.SplitHostPort(rude.Addr().String())
	files := issue(t, t.TempDir(), 1)
	server := newRig(t, withTLS(files))
	secure := strconv.Itoa(int(server.LocalAddr("tls").Port()))
	_, plain, _ := net.SplitHostPort(quiet.Addr().String())
	for _, c := range [...]struct{ address, words, hint string }{
		{"127.0.0.1:9;transport=tcp", "nobody listens there", "check port"},
		{"127.0.0.1:" + plain + ";transport=tls", "does not speak TLS", "check the port"},
		{"localhost:" + secure + ";transport=tls", "authority that nobody here knows", "sip.tls.ca"},
		{"localhost:" + closing + ";transport=tls", "closed while encryption was to begin", "for TLS"},
		{"127.0.0.1:" + closing + ";transport=tcp", "the connection was closed before an answer came", "TLS"},
		{"127.0.0.1:" + secure + ";transport=tcp", "speaks TLS", "transport=tls"},
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
		"is not in DNS":                             wrap(&net.DNSError{Name: "h", IsNotFound: true}),
		"DNS does not answer":                       wrap(&net.DNSError{Name: "h", IsTimeout: true}),
		"a, 10.0.0.1, and we call h":                wrap(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}}, Host: "h"}),
		"for no name at all, and we call 192.0.2.1": wrap(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "192.0.2.1"}),
		"h is not in DNS, or has no address":        wrap(&dns.Missing{Name: "h", Type: "AAAA"}),
		"closed before an answer":                   wrap(io.EOF),
		"waits":                                     wrap(errAbsent),
		"odd":                                       errors.New("sip: odd"),
		"for another name":                          wrap(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: "h"}),
		"out of date":                               wrap(x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{}}),
		"no answer in time":                         wrap(context.DeadlineExceeded),
		"nobody there answers the TLS handshake":    fault.New(fault.Network, "sip: TLS with h at h:5060: %w", os.ErrDeadlineExceeded),
		"no listener":                               wrap(errNoListener),
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
	for _, code := range [...]int{300, 302, 400, 403, 404, 405, 408, 410, 423, 480, 481, 482, 486, 488, 500, 501, 502, 503, 504, 600, 603, 604, 606} {
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
			if s := r.Steps[len(r.Steps)-1]; !s.OK || !strings.Contains(s.Words, "do not depend on it") || s.Code != code || s.Hint == "" || strings.Contains(s.Words, "nobody expects") {
				t.Errorf("%d: %+v", code, s)
			}
		case <-time.After(wireWait):
			t.Fatalf("%d: the check goes on", code)
		}
	}
}

// TestToldByAnswers: an answer's address and waits are part of the words.
func TestToldByAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		code         int
		header, want string
	}{
		"elsewhere":       {302, "Contact: <sip:10.9.8.7:5070>", "to sip:10.9.8.7:5070"},
		"nowhere":         {302, "", ""},
		"too often":       {423, "Min-Expires: 1800", "30m0s at least"},
		"later":           {503, "Retry-After: 90", "wait 1m30s"},
		"later, refused":  {403, "Retry-After: 10 (busy)", "wait 10s"},
		"nothing to tell": {404, "Contact: <sip:10.9.8.7>", ""},
	} {
		res := gosip.NewResponse(c.code, "No")
		if n, v, ok := strings.Cut(c.header, ": "); ok {
			res.AppendHeader(gosip.NewHeader(n, v))
		}
		if got := told(res); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestSeenAs: where a provider sees us, and what our calls say.
func TestSeenAs(t *testing.T) {
	for _, c := range [...]struct {
		via, words, hint string
	}{
		{"", "", ""},
		{"127.0.0.1", "which our calls name, too", ""},
		{"203.0.113.7", "a NAT is between", "advertise: 203.0.113.7"},
	} {
		p := newProvider(t)
		cfg := p.trunk()
		cfg.Register, cfg.Options, cfg.Username = false, 0, ""
		e, _, _ := p.open(Config{Trunks: []Trunk{cfg}})
		done := make(chan TrunkReport, 1)
		go func() {
			r, _ := e.CheckTrunk(context.Background(), "mango")
			done <- r
		}()
		m := p.receive()
		if c.via != "" {
			for i, h := range m.headers {
				if h.Name == "Via" {
					m.headers[i].Value += ";received=" + c.via
				}
			}
		}
		p.answer(m, 200, "OK")
		r := <-done
		if c.words == "" {
			if len(r.Steps) != 2 {
				t.Errorf("%+v", r.Steps)
			}
			continue
		}
		if len(r.Steps) != 3 {
			t.Fatalf("%q: %+v", c.via, r.Steps)
		}
		if s := r.Steps[2]; s.What != "address" || !s.OK || !strings.Contains(s.Words, c.words) || !strings.Contains(s.Hint, c.hint) || (c.hint == "") != (s.Hint == "") {
			t.Errorf("%q: %+v", c.via, s)
		}
	}
	if words, hint := explainSeen(netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.5"), true); !strings.Contains(words, "sip.advertise") || hint == "" {
		t.Errorf("%q, hint %q", words, hint)
	}
}
