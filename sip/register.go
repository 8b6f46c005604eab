package sip

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/sip/digest"
	"github.com/loopstart/loopstart/sip/registration"
)

// leaveWait is how long a trunk that ends waits for the answer to its REGISTER
// with expires 0.
const leaveWait = 2 * time.Second

// registrant keeps one registration of ours. It belongs to one goroutine; the
// rules are in package registration, here is the network.
type registrant struct {
	t       *trunk
	state   registration.State
	wake    *waker
	callID  string // the same for the whole life (RFC 3261 §10.2.4)
	fromTag string
	cseq    uint32

	hop       hop
	proof     *digest.Exchange // of the request under way; nil without a password
	fields    []digest.Field   // credentials it carries
	challenge []digest.Field   // headers of the newest 401 or 407
	told      RegisterEvent
}

// runRegistration registers, refreshes and, when the trunk ends, unregisters.
func (t *trunk) runRegistration(wake *waker) {
	r := &registrant{t: t, wake: wake, callID: token(8), fromTag: token(8)}
	next := registration.Event{Kind: registration.Start, Wish: t.cfg.Expires}
	for {
		select {
		case <-r.wake.C:
			r.steps(t.ctx, next)
			next = registration.Event{Kind: registration.Timer}
			r.wake.done()
		case <-t.move:
			r.steps(t.ctx, registration.Event{Kind: registration.Moved})
		case <-t.ctx.Done():
			ctx, cancel := context.WithTimeout(context.Background(), leaveWait)
			defer cancel()
			r.steps(ctx, registration.Event{Kind: registration.Stop})
			return
		}
	}
}

// steps feeds the machine until it asks for nothing more. When ctx ends while
// a request is under way, the machine is left believing in it: the Stop that
// comes next then takes back what may have arrived.
func (r *registrant) steps(ctx context.Context, ev registration.Event) {
	for again := true; again; {
		ev.At, ev.Roll = r.t.e.clk.Now(), rand.Float64()
		var effects []registration.Effect
		r.state, effects = registration.Step(r.state, ev)
		r.t.state.setRegistration(r.state)
		if r.state.Refused && r.t.auth != nil {
			r.t.auth.Forget() // the next try begins without what was rejected
		}
		again = false
		for _, f := range effects {
			switch f.Kind {
			case registration.Arm:
				r.wake.arm(f.After)
			case registration.Disarm:
				r.wake.disarm()
			case registration.Changed:
				r.tell(ev.At)
			}
		}
		for _, f := range effects {
			if f.Kind == registration.Send || f.Kind == registration.Resend {
				ev = r.register(ctx, f)
				again = ctx.Err() == nil || r.state.Phase == registration.Leaving
			}
		}
	}
}

// register sends one REGISTER and returns what became of it.
func (r *registrant) register(ctx context.Context, f registration.Effect) registration.Event {
	var err error
	if f.Kind == registration.Resend {
		err = r.answerChallenge()
		if err != nil {
			return registration.Event{Kind: registration.NoSecret, Reason: inWords(err)}
		}
	} else if err = r.begin(ctx); err != nil {
		return registration.Event{Kind: registration.Lost, Reason: inWords(err)}
	}
	var contact string
	res, err := r.elsewhere(ctx, func() (*gosip.Response, error) {
		r.cseq++
		contact = r.t.contact(r.hop)
		return r.t.exchange(ctx, outside{
			method: gosip.REGISTER, callID: r.callID, fromTag: r.fromTag, cseq: r.cseq,
			contact: contact, expires: seconds(f.Expires), fields: r.fields, supported: r.hop.options(),
		}, r.hop)
	})
	if err != nil {
		return registration.Event{Kind: registration.Lost, Reason: inWords(err)}
	}
	r.t.learn(res, r.hop)
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		r.t.state.setContact(contact)
	}
	r.t.state.answered(r.t.e.clk.Now(), res.StatusCode, res.Reason)
	return r.read(res)
}

// begin chooses the hop for a new request and the credentials it starts with.
func (r *registrant) begin(ctx context.Context) (err error) {
	if r.hop, err = r.t.pick(ctx); err != nil {
		return err
	}
	r.proof, r.fields = nil, nil
	if r.t.auth != nil {
		r.proof = r.t.auth.Begin(digest.Request{Method: string(gosip.REGISTER), URI: r.t.requestURI("").URI()})
		r.fields = r.proof.Fields()
	}
	return nil
}

var errNoPassword = errors.New("it asks for a password and the trunk has none")

func (r *registrant) answerChallenge() (err error) {
	if r.proof == nil {
		return errNoPassword
	}
	r.fields, err = r.proof.Challenged(r.challenge)
	return err
}

func (r *registrant) read(res *gosip.Response) registration.Event {
	ev := registration.Event{
		Kind: registration.Answer, Code: res.StatusCode, Reason: res.Reason, Granted: r.granted(res),
		MinExpires: secondsOf(res, "Min-Expires"), RetryAfter: secondsOf(res, "Retry-After"),
	}
	if ev.Code == 401 || ev.Code == 407 {
		r.challenge, ev.Stale = challengesOf(res)
	}
	return ev
}

// granted finds our Contact in a 200 and reads its lifetime; a registrar that
// lists others must not be mistaken.
func (r *registrant) granted(res *gosip.Response) time.Duration {
	for _, v := range lists(res, "Contact") {
		a, params, err := parseNameAddr(v)
		if err != nil {
			continue
		}
		if mark, _ := a.Param(contactMark); mark != r.t.token {
			continue
		}
		if v, ok := param(params, "expires"); ok {
			return max(readSeconds(v), 0)
		}
	}
	return secondsOf(res, "Expires")
}

// tell reports the state when it is news.
func (r *registrant) tell(now time.Time) {
	s := r.state
	ev := RegisterEvent{Trunk: r.t.cfg.Name, Source: r.hop.addr, Code: s.Code, Reason: s.Problem}
	switch s.Phase {
	case registration.Registered:
		ev.State = "registered"
		ev.Contact = r.t.contact(r.hop)
	case registration.Waiting:
		ev.State = "failed"
		if s.Refused {
			ev.State = "refused"
		}
	case registration.Idle:
		ev.State = "unregistered"
	default:
		return
	}
	if ev == r.told {
		return
	}
	r.told = ev
	ev.Expires = max(s.Until.Sub(now), 0)
	if s.Problem == "" {
		r.t.log.Info("trunk "+ev.State, "status", s.Status(now))
	} else {
		r.t.log.Warn("trunk "+ev.State, "status", s.Status(now))
	}
	if r.t.e.deps.Register != nil {
		r.t.e.deps.Register(ev)
	}
}

// inWords takes the package names off an error that people read.
func inWords(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "sip: "), "digest: ")
}
