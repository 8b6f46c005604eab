package engine

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/sip"
)

// A text from one user's phone to another user, which no script takes, is passed
// on to the phones of that user (RFC 3428 §7). Only users may send so, under the
// name that they have proved; only to users: never through a trunk, whose owner
// pays.

// Limits of texts that are passed on. What is over them is answered 503.
const (
	maxRelays       = 100 // at one time
	maxRelaysOfUser = 8   // of them by one user
	relaysPerSecond = 10  // of one user …
	relayBurst      = 30  // … at once after a pause
	relayWait       = 15 * time.Second
)

// relays counts the texts that are on their way.
type relays struct {
	mu      sync.Mutex
	users   map[string]*share // by sender; all of them are in the configuration
	running int
	refused int64
}

// take is the place of one more text of a user.
func (r *relays) take(user string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == nil {
		r.users = map[string]*share{}
	}
	s := of(r.users, user)
	if r.running >= maxRelays || s.calls >= maxRelaysOfUser || !s.bucket(now, relaysPerSecond, relayBurst) {
		r.refused++
		return false
	}
	r.running++
	s.take()
	return true
}

func (r *relays) release(user string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	drop(r.users, user)
}

// relay passes on a text that no script takes, and returns the status by which
// it is answered.
func (e *Engine) relay(cfg *config.Config, p sip.Page, in incomingCall, route *config.Route) int {
	to := addressee(cfg, in, route)
	hops := forwards(p.Headers)
	switch {
	case in.User == "" || to == "":
		return 404
	case e.mayDialUser(cfg, call.DialRequest{User: in.User}) != nil:
		return 403
	case hops < 0:
		return 483
	case !e.relays.take(in.User, e.clk.Now()):
		e.log.Warn("text not passed on: too many", "from", phone.Mask(in.User))
		return 503
	}
	defer e.relays.release(in.User)
	from := sip.Address{User: in.User}
	if u, ok := cfg.User(in.User); ok {
		from.Display = u.Display
	}
	places := dialer{e}.phones(to, call.DialRequest{})
	for _, place := range places {
		o := &place.Routes[0].Outgoing
		o.From, o.MaxForwards = from, hops
		if subject := p.Headers.Get("Subject"); subject != "" {
			o.Headers = []sip.Header{{Name: "Subject", Value: subject}}
		}
	}
	kind := p.Headers.Get("Content-Type")
	if kind == "" {
		kind = p.ContentType
	}
	ctx, cancel := context.WithTimeout(e.ctx, relayWait)
	defer cancel()
	code := e.pageAll(ctx, places, p.Body, kind).Code
	if code/100 == 3 || code == 401 || code == 407 {
		return 480 // what a phone asks of us is not for the sender
	}
	return code
}

func (r *relays) refusals() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// addressee is the user whom a text is for: the one that is named, or to whom a
// route without a script connects that name.
func addressee(cfg *config.Config, in incomingCall, route *config.Route) string {
	to := in.to.User
	if _, ok := cfg.User(to); !ok {
		to = in.To
	}
	if route != nil && len(route.Connect) > 0 {
		if to = in.To; len(route.Connect) == 1 {
			to = config.Targets(route.Connect, in.Incoming)[0]
		}
	}
	if _, ok := cfg.User(to); !ok {
		return ""
	}
	return to
}

// forwards is Max-Forwards of a text that is passed on; below 0 it is not.
func forwards(h sip.Headers) int {
	text := strings.TrimSpace(h.Get("Max-Forwards"))
	n, err := strconv.ParseUint(text, 10, 8)
	switch {
	case text == "" || err != nil:
		return sip.DefaultMaxForwards
	case n <= 1: // 0 would stand for the default
		return -1
	}
	return int(n) - 1
}
