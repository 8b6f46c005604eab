package netx

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// authority signs certificates for the tests.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key, _, _ = a.issue("ca", true)
	return a
}

// issue makes a certificate and returns its files too.
func (a *authority) issue(name string, isCA bool) (*x509.Certificate, *ecdsa.PrivateKey, string, string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.n++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(a.n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if !isCA {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return parsed, key, a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "PRIVATE KEY", secret)
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// server answers with the name of the client's certificate and the protocol.
func (a *authority) server(need tls.ClientAuthType) *httptest.Server {
	_, _, cert, key := a.issue("localhost", false)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = w.Write([]byte(name + " " + r.Proto))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: need, ClientCAs: pool}
	s.EnableHTTP2 = true
	s.StartTLS()
	a.t.Cleanup(s.Close)
	return s
}

func TestMutualTLS(t *testing.T) {
	a := newAuthority(t)
	_, _, cert, key := a.issue("loopstart-client", false)
	ca := filepath.Join(a.dir, "ca.pem")
	strict, open := a.server(tls.RequireAndVerifyClientCert), a.server(tls.RequestClientCert)
	load := func(ca []string, hosts ...string) TLS {
		t.Helper()
		var ids []IdentityFiles
		if len(hosts) > 0 {
			ids = []IdentityFiles{{hosts, cert, key}}
		}
		c, err := LoadTLS(ca, ids)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	cases := []struct {
		name string
		tls  TLS
		s    *httptest.Server
		want string // "" is NETWORK
	}{
		{"the certificate is shown where it belongs", load([]string{ca}, "127.0.0.1"), strict, "loopstart-client HTTP/2.0"},
		{"to one port only", load([]string{ca}, host(t, strict)), strict, "loopstart-client HTTP/2.0"},
		{"not to another port", load([]string{ca}, host(t, strict)), open, "nobody HTTP/2.0"},
		{"not to a server of another name that asks", load([]string{ca}, "bank.example.ru"), open, "nobody HTTP/2.0"},
		{"a server that insists gets none either", load([]string{ca}, "bank.example.ru"), strict, ""},
		{"without the authority nothing is trusted", load(nil, "127.0.0.1"), strict, ""},
	}
	for _, c := range cases {
		client := New(Options{Rules: Rules{Hosts: []string{"127.0.0.1"}}, TLS: c.tls, Timeout: 5 * time.Second})
		res, err := client.Do(context.Background(), Request{Method: "GET", URL: c.s.URL})
		if c.want == "" && fault.CodeOf(err) != fault.Network || c.want != "" && (err != nil || string(res.Body) != c.want) {
			t.Errorf("%s: %+v %v", c.name, res, err)
		}
		client.CloseIdle()
	}
}

func TestTLSFilesThatAreWrong(t *testing.T) {
	a := newAuthority(t)
	_, _, cert, key := a.issue("x", false)
	_, _, _, other := a.issue("y", false)
	text := filepath.Join(a.dir, "text")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"no file":     func() error { _, err := LoadTLS([]string{"/none.pem"}, nil); return err },
		"no PEM":      func() error { _, err := LoadTLS([]string{text}, nil); return err },
		"only a key":  func() error { _, err := LoadTLS([]string{key}, nil); return err },
		"another key": func() error { _, err := LoadTLS(nil, []IdentityFiles{{nil, cert, other}}); return err },
		"no key":      func() error { _, err := LoadTLS(nil, []IdentityFiles{{nil, cert, text}}); return err },
	} {
		if err := f(); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
