package digest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

// A nonce is base64url(issue time ‖ random ‖ peer ‖ mac): nobody but the holder
// of the secret can make one, and it says itself how old it is and to whom it
// was given. Others may use it too: a phone behind a large NAT changes its
// address between the challenge and the answer.
const (
	nonceTime   = 8
	nonceRandom = 8
	nonceTo     = 4
	nonceMAC    = 16
	noncePeer   = nonceTime + nonceRandom + nonceTo // where the peer's mark ends
	nonceBytes  = noncePeer + nonceMAC
)

func (s *Server) newNonce(now time.Time, peer string) string {
	raw := make([]byte, nonceTime+nonceRandom, nonceBytes)
	binary.BigEndian.PutUint64(raw, uint64(now.UnixNano()))
	s.randomMu.Lock()
	_, err := s.random.Read(raw[nonceTime:])
	s.randomMu.Unlock()
	if err != nil {
		s.count(func(st *Stats) { st.RandomFailed++ }) // still bound to time and secret
	}
	raw = append(raw, s.peerMark(peer)...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac(raw)...))
}

func (s *Server) peerMark(peer string) []byte { return s.mac([]byte("peer " + peer))[:nonceTo] }

func (s *Server) mac(raw []byte) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write(raw)
	h.Write([]byte(s.realm))
	return h.Sum(nil)[:nonceMAC]
}

// issued tells when we made the nonce; ok is false if we did not.
func (s *Server) issued(nonce string) (at time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != nonceBytes {
		return time.Time{}, false
	}
	body := raw[:noncePeer]
	if !hmac.Equal(raw[noncePeer:], s.mac(body)) {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(body))), true
}

// counters remembers the highest nc of each nonce in use. When it is full the
// nonce issued first is forgotten, and from then on no nonce issued up to that
// moment is accepted as new: memory is bounded and a replay still fails.
type counters struct {
	mu      sync.Mutex
	max     int
	byNonce map[string]*counter
	queue   []*counter // by time of first use; nearly by time of issue
	floor   time.Time
	evicted uint64
}

type counter struct {
	nonce  string
	issued time.Time
	nc     uint32
}

// use records nc for the nonce and reports whether it is higher than before.
// Nonces issued before oldest are forgotten on the way.
func (c *counters) use(nonce string, issued, oldest time.Time, nc uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetLocked(oldest)
	if known := c.byNonce[nonce]; known != nil {
		if nc <= known.nc {
			return false
		}
		known.nc = nc
		return true
	}
	if !issued.After(c.floor) {
		return false
	}
	if len(c.queue) == c.max {
		c.dropLocked()
		c.evicted++
	}
	fresh := &counter{nonce: nonce, issued: issued, nc: nc}
	c.byNonce[nonce] = fresh
	c.queue = append(c.queue, fresh)
	return true
}

// forgetLocked drops nonces that time alone already refuses.
func (c *counters) forgetLocked(oldest time.Time) {
	for len(c.queue) > 0 && c.queue[0].issued.Before(oldest) {
		c.dropLocked()
	}
}

func (c *counters) dropLocked() {
	first := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	delete(c.byNonce, first.nonce)
	if first.issued.After(c.floor) {
		c.floor = first.issued
	}
}

func (c *counters) size() (now int, evicted uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue), c.evicted
}
