package sip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// issue writes a self-signed certificate for localhost into dir, which is its
// own authority.
func issue(t *testing.T, dir string, serial int64) TLSFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f := TLSFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	f.CA = []string{f.Cert}
	for name, block := range map[string]*pem.Block{f.Key: {Type: "PRIVATE KEY", Bytes: private}, f.Cert: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func withTLS(files TLSFiles) func(*Config, *Deps) {
	return func(c *Config, _ *Deps) {
		c.TLS = files
		c.Listen = append(c.Listen, listen("tls", "127.0.0.1:0"))
	}
}

// trusting is how a peer shakes hands that knows our authority.
func trusting(t *testing.T, files TLSFiles) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

func TestCallOverTLS(t *testing.T) {
	files := issue(t, t.TempDir(), 1)
	r := newRig(t, withTLS(files))
	conn, err := tls.Dial("tcp", r.LocalAddr("tls").String(), trusting(t, files))
	if err != nil {
		t.Fatal(err)
	}
	s, p := newStream(t, conn), r.peer()
	c := p.newCall()
	c.transport = "TLS"
	s.raw(c.message("INVITE", 1, "", c.offer))
	d := r.incoming()
	if d.Origin().Transport != "tls" {
		t.Fatalf("%+v", d.Origin())
	}
	if err := d.Accept([]byte(sdp("answer"))); err != nil {
		t.Fatal(err)
	}
	ok := s.final("INVITE")
	if ok.code() != 200 || !strings.Contains(ok.get("Contact"), ";transport=tls") {
		t.Fatalf("%+v", ok)
	}
	c.to = ok.get("To")
	s.raw(c.message("ACK", 1, "", "", "Contact: <sip:alice@127.0.0.1:9;transport=tls>"))
	expect(t, d, Confirmed)
	d.Hangup()
	if bye := s.request("BYE"); !strings.HasPrefix(bye.get("Via"), "SIP/2.0/TLS ") {
		t.Fatalf("%+v", bye)
	}
}

// TestTrunkOverTLS: the server's certificate has to be for the trunk's name.
func TestTrunkOverTLS(t *testing.T) {
	files := issue(t, t.TempDir(), 1)
	server := newRig(t, withTLS(files))
	port := server.LocalAddr("tls").Port()
	for address, known := range map[string]bool{"localhost": true, "127.0.0.1": true, "127.0.0.2": false} {
		r := newRig(t, func(c *Config, _ *Deps) {
			c.TLS.CA = files.CA
			c.Trunks = []Trunk{{Name: "t", Address: address + ":" + strconv.Itoa(int(port)) + ";transport=tls"}}
		})
		d, err := r.Dial(Outgoing{Target: Target{Trunk: "t", Number: "+79161234567"}, Body: []byte(sdp("offer"))})
		if err != nil {
			t.Fatal(err)
		}
		if !known { // the listener is at 127.0.0.1 only, so this one cannot even connect
			if ev := expect(t, d, Ended); ev.Code != 503 {
				t.Fatalf("%+v", ev)
			}
			continue
		}
		in := server.incoming()
		if err := in.Accept([]byte(sdp("answer"))); err != nil {
			t.Fatal(err)
		}
		expect(t, d, Answered)
		expect(t, in, Confirmed)
		in.Hangup()
		if ev := expect(t, d, Ended); ev.Reason != ReasonBye || !ev.Remote {
			t.Fatalf("%+v", ev)
		}
	}
	stranger := newRig(t, func(c *Config, _ *Deps) {
		c.Trunks = []Trunk{{Name: "t", Address: "localhost:" + strconv.Itoa(int(port)) + ";transport=tls"}}
	})
	d, err := stranger.Dial(Outgoing{Target: Target{Trunk: "t", Number: "1"}, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	if ev := expect(t, d, Ended); ev.Code != 503 || stranger.Stats().Handshakes != 1 {
		t.Fatalf("an unknown authority: %+v, %+v", ev, stranger.Stats())
	}
}

func TestCertificateIsRenewedWithoutRestart(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, withTLS(issue(t, dir, 1)))
	serial := func() string {
		conn, err := tls.Dial("tcp", r.LocalAddr("tls").String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // only its number is read
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	if s := serial(); s != "1" {
		t.Fatal(s)
	}
	files := issue(t, dir, 2)
	eventually(t, "the new certificate is shown", func() bool { return serial() == "2" })
	if err := os.WriteFile(files.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.certificate.mu.Lock()
	r.certificate.looked = time.Time{} // the next handshake looks
	r.certificate.mu.Unlock()
	if s := serial(); s != "2" {
		t.Fatalf("a file that is being written ends TLS: %s", s)
	}
}

// TestTLSPortTakesRubbish: what is no handshake is counted and costs nothing.
func TestTLSPortTakesRubbish(t *testing.T) {
	r := newRig(t, withTLS(issue(t, t.TempDir(), 1)))
	conn, err := net.Dial("tcp", r.LocalAddr("tls").String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("OPTIONS sip:a@b SIP/2.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is counted", func() bool { return r.Stats().Handshakes == 1 })
	r.hub.greeting.Store(maxHandshakes)
	if _, err := tls.Dial("tcp", r.LocalAddr("tls").String(), &tls.Config{InsecureSkipVerify: true}); err == nil { //nolint:gosec // it must not get that far
		t.Fatal("over the limit")
	}
	r.hub.greeting.Store(0)
	if r.Stats().ConnsRefused != 1 {
		t.Fatalf("%+v", r.Stats())
	}
}

func TestTLSListenerNeedsCertificate(t *testing.T) {
	_, err := Open(Config{Listen: []Listener{listen("tls", "127.0.0.1:0")}}, Deps{})
	if err == nil || !strings.Contains(err.Error(), "sip.tls") {
		t.Fatal(err)
	}
}
