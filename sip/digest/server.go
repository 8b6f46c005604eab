package digest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// Limits of a Server.
const (
	MaxLifetime = 60 * time.Second // of a nonce
	MaxNonces   = 16384            // nonces remembered; one entry is about 200 bytes
)

// ServerOptions configure a Server.
type ServerOptions struct {
	Realm    string
	Secret   []byte        // key of the nonces; at least 16 bytes, random per process is right
	Lifetime time.Duration // of a nonce; 0 or more than MaxLifetime means MaxLifetime
	Nonces   int           // how many are remembered; 0 means MaxNonces
	Clock    clock.Clock
	Random   io.Reader // crypto/rand.Reader
}

// Server challenges requests and verifies their credentials.
type Server struct {
	realm    string
	secret   []byte
	opaque   string
	lifetime time.Duration
	clock    clock.Clock
	counters counters

	randomMu sync.Mutex
	random   io.Reader

	statsMu sync.Mutex
	stats   Stats
}

// Stats counts verdicts since the start.
type Stats struct {
	Passed, Missing, Stale, Denied uint64
	Evicted                        uint64 // nonces forgotten because too many were in use
	RandomFailed                   uint64
	Nonces                         int // remembered now
}

// NewServer returns a server that knows no nonce yet.
func NewServer(o ServerOptions) *Server {
	if o.Lifetime <= 0 || o.Lifetime > MaxLifetime {
		o.Lifetime = MaxLifetime
	}
	if o.Nonces <= 0 {
		o.Nonces = MaxNonces
	}
	s := &Server{realm: o.Realm, secret: o.Secret, lifetime: o.Lifetime, clock: o.Clock, random: o.Random}
	s.counters = counters{max: o.Nonces, byNonce: make(map[string]*counter)}
	s.opaque = hex.EncodeToString(s.mac([]byte("opaque"))[:8])
	return s
}

// Challenges returns the values of the challenge headers, strongest first
// (RFC 8760 §2.3): one for SHA-256 and one for MD5, with the same fresh nonce.
func (s *Server) Challenges(stale bool) []string { return s.ChallengesFor("", stale) }

// ChallengesFor is Challenges with a nonce that Answers knows to have been given
// to that peer, an address in any form.
func (s *Server) ChallengesFor(peer string, stale bool) []string {
	c := Challenge{
		Realm: s.realm, Nonce: s.newNonce(s.clock.Now(), peer), Opaque: s.opaque,
		QOP: []string{qopAuth}, Stale: stale,
	}
	var out []string
	for _, a := range [...]Algorithm{SHA256, MD5} {
		c.Algorithm = a
		out = append(out, c.String())
	}
	return out
}

// Answers tells whether a nonce was given to that very peer and is not too old:
// who sends it from there has read what we sent there, so the source is no
// forgery. It says nothing about a password and costs two hashes.
func (s *Server) Answers(nonce, peer string) bool {
	issued, ours := s.issued(nonce)
	if now := s.clock.Now(); !ours || now.Sub(issued) > s.lifetime || issued.After(now) {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	return err == nil && hmac.Equal(raw[nonceTime+nonceRandom:noncePeer], s.peerMark(peer))
}

// Verdict is the outcome of Verify.
type Verdict uint8

// The verdicts and what to answer.
const (
	Missing Verdict = iota // no credentials for our realm: 401 with Challenges(false)
	Stale                  // nonce too old, not ours, or nc not higher: 401 with Challenges(true)
	Denied                 // wrong password, unknown user or malformed: 403
	Passed
)

func (v Verdict) String() string {
	return [...]string{"missing", "stale", "denied", "passed"}[v]
}

// Verify checks the Authorization values of a request. lookup returns the
// password of a user. The name is that of the proven user and is empty unless
// the verdict is Passed; who may use which From is the caller's question.
//
// A nonce that is not ours is called stale before anything is said about the
// user: phones recover from a restart of ours, and a guesser learns nothing.
func (s *Server) Verify(req Request, authorization []string, lookup func(user string) (password string, ok bool)) (user string, v Verdict) {
	c, v := s.pick(authorization)
	if c != nil {
		v = s.check(c, req, lookup)
	}
	s.count(func(st *Stats) {
		*[...]*uint64{&st.Missing, &st.Stale, &st.Denied, &st.Passed}[v]++
	})
	if v != Passed {
		return "", v
	}
	return c.Username, Passed
}

// pick finds the credentials for our realm.
func (s *Server) pick(authorization []string) (*Credentials, Verdict) {
	v := Missing
	for _, value := range authorization {
		c, err := ParseCredentials(value)
		switch {
		case err == errScheme, err == errUnasked: // some name themselves in the first REGISTER (3GPP TS 24.229 §5.1.1.2)
		case err != nil:
			v = Denied
		case c.Realm == s.realm:
			return &c, v
		}
	}
	return nil, v
}

func (s *Server) check(c *Credentials, req Request, lookup func(string) (string, bool)) Verdict {
	now := s.clock.Now()
	issued, ours := s.issued(c.Nonce)
	if !ours || now.Sub(issued) > s.lifetime || issued.After(now) {
		return Stale
	}
	offered := c.Algorithm == SHA256 || c.Algorithm == MD5 || c.Algorithm == SHA512256
	if !offered || (c.QOP != qopAuth && c.QOP != "") || !meant(c.URI, req.URI) {
		return Denied
	}
	if !s.matches(c, req, lookup) {
		return Denied
	}
	nc := c.NC
	if c.QOP == "" { // RFC 2069: nothing counts its uses, so it has one
		nc = 1
	}
	if !s.counters.use(c.Nonce, issued, now.Add(-s.lifetime), nc) {
		return Stale
	}
	return Passed
}

// matches does the same hashing whether the user exists or not, and compares
// in constant time.
func (s *Server) matches(c *Credentials, req Request, lookup func(string) (string, bool)) bool {
	password, known := lookup(c.Username)
	if !known {
		password = s.opaque
	}
	want := sha256.Sum256([]byte(c.response(password, req)))
	got := sha256.Sum256([]byte(c.Response))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && known
}

// meant tells whether credentials with that digest-uri are for the Request-URI:
// both dial the same user. The hosts may differ: proxies before us rewrite them,
// and all of them mean us. A digest-uri without a user is of a phone that always
// writes the server's address, as SIPp does: its method and its count of the
// nonce, which no second request may have, are what it proves.
func meant(digestURI, requestURI string) bool {
	scheme, rest, _ := strings.Cut(digestURI, ":")
	bare := strings.HasPrefix(strings.ToLower(scheme), "sip") && rest != "" && !strings.Contains(rest, "@")
	return bare || userPart(digestURI) == userPart(requestURI)
}

func userPart(uri string) string {
	_, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	user, _, ok := strings.Cut(rest, "@")
	if !ok {
		return ""
	}
	user, _, _ = strings.Cut(user, ";")
	return user
}

func (s *Server) count(f func(*Stats)) {
	s.statsMu.Lock()
	defer s.statsMu.Unlock()
	f(&s.stats)
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.statsMu.Lock()
	st := s.stats
	s.statsMu.Unlock()
	st.Nonces, st.Evicted = s.counters.size()
	return st
}
