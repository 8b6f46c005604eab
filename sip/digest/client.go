package digest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Limits of a Client.
const (
	MaxSessions   = 8 // nonces kept for later requests
	MaxChallenges = 8 // challenge headers read of one response
	maxAnswers    = 2 // per request and header: one, and one more when stale
)

// Why a challenge is not answered.
var (
	ErrRejected    = errors.New("the credentials were rejected")
	ErrRealm       = errors.New("the challenge is for another realm")
	ErrUnsupported = errors.New("no challenge with a supported algorithm")
)

// Account is what we prove to a peer.
type Account struct {
	Username string // digest user
	Password string
	Realm    string // answer only this realm, compared without case; empty: any
}

// Client answers the challenges to one account's requests. It remembers
// nonces, so that later requests carry credentials from the start.
type Client struct {
	account Account

	mu       sync.Mutex
	random   io.Reader
	sessions []*session // least recently challenged first
}

// session is a nonce of the peer and how often we used it.
type session struct {
	proxy  bool
	c      Challenge
	qop    string
	cnonce string
	nc     uint32
}

// NewClient returns a client. random is crypto/rand.Reader.
func NewClient(a Account, random io.Reader) *Client {
	return &Client{account: a, random: random}
}

// Field is one header field of a request or response.
type Field struct{ Name, Value string }

// Exchange is the authentication of one request: it spans the retries.
type Exchange struct {
	client  *Client
	request Request
	answers [2]int // to WWW-Authenticate and Proxy-Authenticate
	fields  [2]*Field
}

// Begin starts the authentication of a request that we originate. A request
// that we only answer never gets one.
func (c *Client) Begin(req Request) *Exchange { return &Exchange{client: c, request: req} }

// Fields returns the credentials for the first try, from nonces of earlier
// requests; none on first contact.
func (x *Exchange) Fields() []Field {
	x.client.mu.Lock()
	defer x.client.mu.Unlock()
	for _, s := range x.client.sessions {
		x.sign(s)
	}
	return x.current()
}

// Challenged takes the challenge headers of a 401 or 407 and returns all
// credentials the retry has to carry, replacing those it had.
func (x *Exchange) Challenged(headers []Field) ([]Field, error) {
	x.client.mu.Lock()
	defer x.client.mu.Unlock()
	answered := false
	var failed error
	for kind, name := range [...]string{"WWW-Authenticate", "Proxy-Authenticate"} {
		c, qop, found, err := x.client.choose(name, headers)
		if found && err == nil {
			err = x.answer(kind, c, qop)
		}
		answered = answered || (found && err == nil)
		if found && err != nil {
			failed = err
		}
	}
	switch {
	case failed != nil:
		return nil, failed
	case !answered:
		return nil, fmt.Errorf("digest: %w", ErrUnsupported)
	}
	return x.current(), nil
}

// choose picks the strongest challenge of the header that we can answer.
func (c *Client) choose(name string, headers []Field) (best Challenge, qop string, found bool, err error) {
	err = fmt.Errorf("digest: %w", ErrUnsupported)
	read := 0
	for _, h := range headers {
		if !strings.EqualFold(h.Name, name) {
			continue
		}
		if read++; read > MaxChallenges {
			break
		}
		ch, bad := ParseChallenge(h.Value)
		if bad != nil {
			continue
		}
		found = true
		if c.account.Realm != "" && !strings.EqualFold(ch.Realm, c.account.Realm) {
			err = fmt.Errorf("digest: realm %q: %w", ch.Realm, ErrRealm)
			continue
		}
		if q, ok := ch.quality(); ok && ch.Algorithm.strength() > best.Algorithm.strength() {
			best, qop = ch, q
		}
	}
	if best.Nonce != "" {
		err = nil
	}
	return best, qop, found, err
}

// answer signs with a new nonce, unless the request has had its answers. A
// challenge to the credentials that an earlier request left us is this one's
// first, whether or not the server says stale, and even with the same nonce:
// some never look at credentials that they have not asked for.
func (x *Exchange) answer(kind int, ch Challenge, qop string) error {
	again := x.answers[kind] > 0
	if again && !ch.Stale || x.answers[kind] == maxAnswers {
		x.client.forget(kind == 1, ch.Realm)
		return fmt.Errorf("digest: realm %q: %w", ch.Realm, ErrRejected)
	}
	s, err := x.client.remember(kind == 1, ch, qop)
	if err != nil {
		return err
	}
	x.answers[kind]++
	x.sign(s)
	return nil
}

func (x *Exchange) current() []Field {
	var out []Field
	for _, f := range x.fields {
		if f != nil {
			out = append(out, *f)
		}
	}
	return out
}

// sign puts credentials from the session into the exchange.
func (x *Exchange) sign(s *session) {
	s.nc++
	c := Credentials{
		Username: x.client.account.Username, Realm: s.c.Realm, Nonce: s.c.Nonce, URI: x.request.URI,
		Algorithm: s.c.Algorithm, CNonce: s.cnonce, Opaque: s.c.Opaque, QOP: s.qop,
	}
	if s.qop != "" {
		c.NC = s.nc
	}
	c.Response = c.response(x.client.account.Password, x.request)
	kind, name := 0, "Authorization"
	if s.proxy {
		kind, name = 1, "Proxy-Authorization"
	}
	x.fields[kind] = &Field{Name: name, Value: c.String()}
}

// remember replaces the session of the realm.
func (c *Client) remember(proxy bool, ch Challenge, qop string) (*session, error) {
	raw := make([]byte, 12)
	if _, err := io.ReadFull(c.random, raw); err != nil {
		return nil, fmt.Errorf("digest: cnonce: %w", err)
	}
	s := &session{proxy: proxy, c: ch, qop: qop, cnonce: hex.EncodeToString(raw)}
	for _, old := range c.sessions {
		if old.c.Nonce == ch.Nonce {
			s.nc = old.nc // some servers renew the life of a nonce
		}
	}
	c.forget(proxy, ch.Realm)
	if len(c.sessions) == MaxSessions {
		c.sessions = append(c.sessions[:0], c.sessions[1:]...)
	}
	c.sessions = append(c.sessions, s)
	return s, nil
}

// Forget drops all nonces: the next request goes out without credentials.
func (c *Client) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = nil
}

func (c *Client) forget(proxy bool, realm string) {
	kept := c.sessions[:0]
	for _, s := range c.sessions {
		if s.proxy != proxy || s.c.Realm != realm {
			kept = append(kept, s)
		}
	}
	clear(c.sessions[len(kept):])
	c.sessions = kept
}
