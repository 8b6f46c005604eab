// Package digest is SIP digest authentication (RFC 3261 §22, RFC 7616,
// RFC 8760), both sides: [Server] challenges requests and verifies the answers,
// [Client] answers the challenges of others.
//
// The server keeps no state for a challenge: a nonce proves by itself when and
// by whom it was made. Only a nonce with which somebody has authenticated is
// remembered, so a flood of unauthenticated requests costs no memory. An
// unknown user costs the same work and gets the same verdict as a wrong
// password, so that names cannot be guessed.
//
// The client answers once per request, once more when the server says that the
// nonce was stale, and never again: a server that changes its nonce each time
// (CVE-2020-28242) gets no loop out of it. It answers only the realm it was
// given, if it was given one.
//
// # Concurrency
//
// Server and Client may be used from any goroutine. An [Exchange] belongs to
// the request it was begun for and to one goroutine.
//
// # Limits
//
// A header value has at most [MaxValue] bytes and [MaxParams] parameters; a
// server remembers at most [MaxNonces] nonces for at most [MaxLifetime]; a
// client keeps at most [MaxSessions] nonces and reads at most [MaxChallenges]
// challenges of a response.
//
// # Errors
//
// Parsers return plain errors. [Exchange.Challenged] wraps one of ErrRejected,
// ErrRealm, ErrUnsupported.
package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// Algorithm is a digest algorithm in its registered spelling. The forms with
// "-sess" are answered by the client and never offered by the server.
type Algorithm string

// The algorithms of RFC 7616 §6.1.
const (
	MD5           Algorithm = "MD5"
	SHA256        Algorithm = "SHA-256"
	SHA512256     Algorithm = "SHA-512-256"
	MD5Sess       Algorithm = "MD5-sess"
	SHA256Sess    Algorithm = "SHA-256-sess"
	SHA512256Sess Algorithm = "SHA-512-256-sess"
)

// algorithms lists what is supported, weakest first.
var algorithms = [...]Algorithm{MD5, MD5Sess, SHA256, SHA256Sess, SHA512256, SHA512256Sess}

// parseAlgorithm returns the registered spelling; no algorithm at all means
// MD5 (RFC 3261 §22.4), an unknown one is kept as it is.
func parseAlgorithm(s string) Algorithm {
	if s == "" {
		return MD5
	}
	for _, a := range algorithms {
		if strings.EqualFold(s, string(a)) {
			return a
		}
	}
	return Algorithm(s)
}

// strength orders algorithms; 0 means unsupported.
func (a Algorithm) strength() int {
	for i, known := range algorithms {
		if a == known {
			return i + 1
		}
	}
	return 0
}

func (a Algorithm) session() bool { return strings.HasSuffix(string(a), "-sess") }

func (a Algorithm) hash() hash.Hash {
	switch a {
	case SHA256, SHA256Sess:
		return sha256.New()
	case SHA512256, SHA512256Sess:
		return sha512.New512_256()
	default:
		return md5.New() // what many providers and phones still speak
	}
}

// sum is the lower-case hex digest of the parts joined by colons.
func (a Algorithm) sum(parts ...string) string {
	h := a.hash()
	for i, p := range parts {
		if i > 0 {
			h.Write([]byte{':'})
		}
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Request is what a digest covers of a SIP request.
type Request struct {
	Method string // INVITE, REGISTER, …
	URI    string // the Request-URI as it stands in the request
	Body   []byte // only for qop=auth-int
}

// response computes the request-digest of RFC 7616 §3.4.1 for the algorithm,
// nonce, cnonce, nc and qop that stand in c.
func (c *Credentials) response(password string, req Request) string {
	a := c.Algorithm
	ha1 := a.sum(c.Username, c.Realm, password)
	if a.session() {
		ha1 = a.sum(ha1, c.Nonce, c.CNonce)
	}
	ha2 := a.sum(req.Method, c.URI)
	if c.QOP == qopAuthInt {
		ha2 = a.sum(req.Method, c.URI, a.sum(string(req.Body)))
	}
	if c.QOP == "" { // RFC 2069, for servers that offer no qop
		return a.sum(ha1, c.Nonce, ha2)
	}
	return a.sum(ha1, c.Nonce, c.nc(), c.CNonce, c.QOP, ha2)
}
