package netx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// handshakeTime is how long a TLS handshake may take.
const handshakeTime = 10 * time.Second

// TLS is whom a client trusts and as whom it appears. The zero value trusts
// the system's authorities and shows no certificate.
type TLS struct {
	Roots      *x509.CertPool // nil is the system's
	Identities []Identity
}

// Identity is a certificate for the servers that ask for one (mutual TLS).
type Identity struct {
	// Hosts are written as in Rules. A certificate is shown to no other host:
	// it tells who we are.
	Hosts       []string
	Certificate tls.Certificate
}

// IdentityFiles are an Identity as PEM files.
type IdentityFiles struct {
	Hosts     []string
	Cert, Key string
}

// LoadRoots reads PEM files of authorities that are trusted beside the
// system's; nil, with no files, is the system's own set. key is the
// configuration's name for the files, for errors.
func LoadRoots(key string, files []string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil //nolint:nilnil // crypto/tls means the system's by nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without any: those given are all there are
	}
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s: %w", key, err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "%s: %s holds no certificate in PEM", key, file)
		}
	}
	return pool, nil
}

// LoadTLS reads PEM files: authorities that are trusted beside the system's,
// and identities.
func LoadTLS(authorities []string, identities []IdentityFiles) (t TLS, err error) {
	if t.Roots, err = LoadRoots("http_client.ca", authorities); err != nil {
		return t, err
	}
	for _, id := range identities {
		c, err := tls.LoadX509KeyPair(id.Cert, id.Key)
		if err != nil {
			return t, fault.New(fault.Invalid, "http_client.clients: %s: %w", id.Cert, err).
				WithHint("cert is the PEM chain beginning with the client's certificate, key its private key")
		}
		t.Identities = append(t.Identities, Identity{id.Hosts, c})
	}
	return t, nil
}

// config is what a handshake with a host needs. Each host has its own: a
// certificate is chosen by the name that is dialled, never by what a server
// says.
func (t TLS) config(host, port string) *tls.Config {
	c := &tls.Config{ServerName: host, RootCAs: t.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	i := slices.IndexFunc(t.Identities, func(id Identity) bool { return Rules{Hosts: id.Hosts}.named(host, port) })
	if i >= 0 {
		c.Certificates = []tls.Certificate{t.Identities[i].Certificate}
	}
	return c
}

// dialTLS is dial with a handshake.
func (c *Client) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	plain, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	config := c.opts.TLS.config(host, port)
	if c.http1 {
		config.NextProtos = []string{"http/1.1"}
	}
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return conn, nil
}
