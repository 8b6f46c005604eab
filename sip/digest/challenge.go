package digest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The qop values of RFC 7616 §3.3.
const (
	qopAuth    = "auth"
	qopAuthInt = "auth-int"
)

// Challenge is one WWW-Authenticate or Proxy-Authenticate value.
type Challenge struct {
	Realm     string
	Nonce     string
	Opaque    string
	Algorithm Algorithm
	QOP       []string // empty: the RFC 2069 form without nc
	Stale     bool     // the credentials were good, only the nonce was old
}

var errNonce = errors.New("digest: a challenge without nonce")

// ParseChallenge reads the value of a challenge header. Unknown parameters are
// ignored, an unknown algorithm is kept: whether it can be answered is the
// client's question.
func ParseChallenge(value string) (Challenge, error) {
	p, err := parseParams(value)
	if err != nil {
		return Challenge{}, err
	}
	c := Challenge{
		Realm: p["realm"], Nonce: p["nonce"], Opaque: p["opaque"],
		Algorithm: parseAlgorithm(p["algorithm"]),
		Stale:     strings.EqualFold(p["stale"], "true"),
	}
	for _, q := range strings.Split(p["qop"], ",") {
		if q = strings.ToLower(strings.TrimSpace(q)); q != "" {
			c.QOP = append(c.QOP, q)
		}
	}
	if c.Nonce == "" {
		return Challenge{}, errNonce
	}
	return c, nil
}

// String is the header value.
func (c Challenge) String() string {
	var w writer
	w.quoted("realm", c.Realm)
	w.quoted("nonce", c.Nonce)
	if c.Opaque != "" {
		w.quoted("opaque", c.Opaque)
	}
	if c.Stale {
		w.token("stale", "true")
	}
	w.token("algorithm", string(c.Algorithm))
	if len(c.QOP) > 0 {
		w.quoted("qop", strings.Join(c.QOP, ","))
	}
	return w.b.String()
}

// quality picks the qop we answer with: auth, else auth-int, else none if none
// was offered. ok is false when only unknown ones were.
func (c Challenge) quality() (qop string, ok bool) {
	for _, want := range [...]string{qopAuth, qopAuthInt} {
		for _, q := range c.QOP {
			if q == want {
				return want, true
			}
		}
	}
	return "", len(c.QOP) == 0
}

// Credentials is one Authorization or Proxy-Authorization value.
type Credentials struct {
	Username  string
	Realm     string
	Nonce     string
	URI       string // digest-uri
	Response  string // lower-case hex
	Algorithm Algorithm
	CNonce    string
	Opaque    string
	QOP       string // auth, auth-int, or "" for the RFC 2069 form
	NC        uint32 // 0 without qop
}

var (
	errMissing = errors.New("digest: credentials lack a parameter")
	errUnasked = errors.New("digest: credentials without nonce")
	errCount   = errors.New("digest: nc is not eight hex digits")
)

// ParseCredentials reads the value of an Authorization header.
func ParseCredentials(value string) (Credentials, error) {
	p, err := parseParams(value)
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{
		Username: p["username"], Realm: p["realm"], Nonce: p["nonce"], URI: p["uri"],
		Response:  strings.ToLower(p["response"]),
		Algorithm: parseAlgorithm(p["algorithm"]),
		CNonce:    p["cnonce"], Opaque: p["opaque"], QOP: strings.ToLower(p["qop"]),
	}
	if c.Nonce == "" {
		return Credentials{}, errUnasked
	}
	if c.Username == "" || c.URI == "" || c.Response == "" {
		return Credentials{}, errMissing
	}
	if c.QOP == "" {
		return c, nil
	}
	n, err := strconv.ParseUint(p["nc"], 16, 32)
	if err != nil || len(p["nc"]) != 8 || n == 0 {
		return Credentials{}, errCount
	}
	c.NC = uint32(n)
	if c.CNonce == "" {
		return Credentials{}, errMissing
	}
	return c, nil
}

// String is the header value.
func (c Credentials) String() string {
	var w writer
	w.quoted("username", c.Username)
	w.quoted("realm", c.Realm)
	w.quoted("nonce", c.Nonce)
	w.quoted("uri", c.URI)
	w.quoted("response", c.Response)
	w.token("algorithm", string(c.Algorithm))
	if c.QOP != "" {
		w.quoted("cnonce", c.CNonce)
		w.token("qop", c.QOP)
		w.token("nc", c.nc())
	} else if c.Algorithm.session() {
		w.quoted("cnonce", c.CNonce)
	}
	if c.Opaque != "" {
		w.quoted("opaque", c.Opaque)
	}
	return w.b.String()
}

func (c *Credentials) nc() string { return fmt.Sprintf("%08x", c.NC) }
