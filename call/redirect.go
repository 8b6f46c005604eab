package call

import (
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

// MaxRedirects is how many Contacts of 3xx answers one dial goes to.
const MaxRedirects = 5

// detours are where 3xx answers have sent a dial.
type detours struct {
	seen  map[sip.Target]bool // what was dialled or will be: nothing twice
	taken int
	free  func() // gives back the line of the present route
}

// redirected goes where a 3xx sends the dial, if the route's rule allows it
// (RFC 3261 §8.1.3.4): to the Contacts one after another, the preferred first.
func (l *Leg) redirected(ev sip.Event) bool {
	if ev.Code < 300 || ev.Code > 302 || l.reason != "" || l.leaving {
		return false
	}
	contacts := sip.Contacts(ev.Headers)
	if l.route.Follow == nil {
		l.note("state", itoa(ev.Code)+" to "+uris(contacts)+" is not followed", "")
		return false
	}
	var found []Route
	for _, a := range contacts {
		routes, err := l.detour(a)
		if err != nil {
			l.note("state", itoa(ev.Code)+" to "+a.URI()+" is not followed: "+err.Error(), "")
			continue
		}
		l.note("state", itoa(ev.Code)+" to "+a.URI()+" is followed", "")
		found = append(found, routes...)
	}
	// What is left of earlier Contacts comes after; other trunks for the first
	// number do not: the callee is not there.
	for _, r := range l.place.Routes {
		if r.detour {
			found = append(found, r)
		}
	}
	l.place.Routes = found
	return len(found) > 0 && l.again()
}

// detour is the routes to one Contact that were not dialled yet.
func (l *Leg) detour(a sip.Address) (out []Route, err error) {
	d := &l.detours
	if d.taken == MaxRedirects {
		return nil, fault.New(fault.Limit, "%d addresses were tried already", MaxRedirects)
	}
	routes, err := l.route.Follow(a)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if !d.seen[r.Outgoing.Target] {
			d.seen[r.Outgoing.Target], r.detour = true, true
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Conflict, "a loop: it was dialled already")
	}
	d.taken++
	return out, nil
}

// nextDetour goes on to the next Contact after one that failed, in whatever way but 6xx,
// which speaks for all (RFC 3261 §21.6).
func (l *Leg) nextDetour(ev sip.Event) bool {
	if !l.route.detour || len(l.place.Routes) == 0 || l.reason != "" || l.leaving || ev.Code >= 600 {
		return false
	}
	l.note("state", itoa(ev.Code)+" "+ev.Reason+", trying the next address", "")
	return l.again()
}

// again dials the next of the place's routes that can be dialled, in the same
// leg; what was heard of the one before is over.
func (l *Leg) again() bool {
	if t := l.talk; t != nil {
		t.split()
	}
	if l.preanswer != nil {
		l.preanswer.over()
		l.preanswer = nil
	}
	if l.detours.free != nil {
		l.detours.free()
	}
	l.session.Close()
	for len(l.place.Routes) > 0 {
		err := l.dial()
		if err == nil {
			l.state, l.started, l.alerted = legTrying, false, false
			return true
		}
		l.note("state", "not dialled: "+err.Error(), "")
	}
	return false
}

func uris(list []sip.Address) string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.URI()
	}
	if len(out) == 0 {
		return "nowhere"
	}
	return strings.Join(out, ", ")
}

// MaxRetryAfter is the longest pause that a Retry-After makes: nobody who
// answers our calls may put them off for a day.
const MaxRetryAfter = time.Hour

// asksPause is how long the one who refused a dial asks to be left alone
// (RFC 3261 §20.33); 0 where that is not said, or is not the answer's to say.
func asksPause(code int, h sip.Headers) time.Duration {
	switch code {
	case 404, 413, 480, 486, 500, 503, 600, 603:
		return min(time.Duration(sip.RetryAfter(h))*time.Second, MaxRetryAfter)
	}
	return 0
}

// maxForwards is Max-Forwards of what a call dials: one less than what its own
// INVITE came with, so that systems which send a call to each other find out
// (RFC 3261 §16.6 for proxies); 0 for a call that begins here.
func (c *Call) maxForwards() int {
	if c.spec.Outbound {
		return 0
	}
	for _, h := range c.spec.Headers {
		if strings.EqualFold(h[0], "Max-Forwards") {
			n := 0
			for _, d := range strings.TrimSpace(h[1]) {
				if d < '0' || d > '9' || n > 255 {
					return 0
				}
				n = 10*n + int(d-'0')
			}
			if n--; n <= 0 {
				return -1
			}
			return n
		}
	}
	return 0
}
