package sip

import (
	"context"
	"net/netip"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
)

// TrunkReport is what CheckTrunk found, step by step.
type TrunkReport struct {
	Name    string
	Status  TrunkStatus
	Steps   []TrunkStep
	Inbound *InboundNumbers // of the last INVITE from the trunk; nil: none yet
}

// TrunkStep is one message of a check and what became of it.
type TrunkStep struct {
	What   string // "resolve", "options", "address" (where the trunk sees us), "register"
	Target string
	Code   int // of the answer; 0: none
	Reason string
	Words  string // what it means
	Hint   string // what to look at; "" when all is well
	OK     bool
	Took   time.Duration
}

// InboundNumbers tells where a received INVITE carried numbers, so that the
// trunk's did list can be set right.
type InboundNumbers struct {
	At     time.Time
	Places []NumberPlace
}

// NumberPlace is one header that names whom the caller dialled.
type NumberPlace struct {
	Header string // as in the trunk's did list: request-uri, to, p-called-party-id, diversion
	Number string // the user part there
}

// Waits of a check.
const (
	checkWait = 10 * time.Second // for each message
	checkSent = 3                // REGISTER at most: first, with credentials, and once more when stale
)

// CheckTrunk resolves the trunk, pings it and proves our account to it, and
// tells each answer in words. The REGISTER has no Contact, so it asks for our
// bindings and changes none (RFC 3261 §10.2.3). What the trunk answers is in
// the report; the error is only for a trunk that does not exist or a ctx that
// ended.
func (e *Endpoint) CheckTrunk(ctx context.Context, name string) (TrunkReport, error) {
	t := find(*e.live.Load(), name)
	if t == nil {
		return TrunkReport{}, fault.New(fault.NotFound, "sip: no trunk %s", name).WithHint("see `loopstart trunk ls`")
	}
	report := TrunkReport{Name: name}
	steps := []func(context.Context) []TrunkStep{t.checkResolve, t.checkOptions}
	if t.cfg.Username != "" {
		steps = append(steps, t.checkRegister)
	}
	for _, step := range steps {
		found := step(ctx)
		report.Steps = append(report.Steps, found...)
		if err := ctx.Err(); err != nil {
			return report, fault.New(fault.Network, "sip: check of trunk %s: %w", name, err)
		}
		if !found[len(found)-1].OK && found[0].What == "resolve" {
			break // nowhere to send the rest
		}
	}
	report.Status = t.status(e.clk.Now())
	report.Inbound = t.lastInbound()
	return report, nil
}

func (t *trunk) checkResolve(ctx context.Context) []TrunkStep {
	began := t.e.clk.Now()
	hops, err := t.e.resolveTarget(ctx, t.next)
	s := TrunkStep{What: "resolve", Target: t.next.Host, Took: t.e.clk.Now().Sub(began)}
	if err != nil {
		s.Words, s.Hint = explainError(err)
		return []TrunkStep{s}
	}
	t.noteSources()
	var places []string
	for _, h := range hops {
		places = append(places, h.String())
	}
	s.OK, s.Words = true, "packets go to "+strings.Join(places, ", then ")
	return []TrunkStep{s}
}

func (h hop) String() string { return h.transport + "://" + h.addr.String() }

func (t *trunk) checkOptions(ctx context.Context) []TrunkStep {
	limited, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	began := t.e.clk.Now()
	res, h, err := t.ping(limited)
	s := TrunkStep{What: "options", Target: h.String(), Took: t.e.clk.Now().Sub(began)}
	if err != nil {
		s.Words, s.Hint = t.explain(ctx, err, h)
		return []TrunkStep{s}
	}
	s.Code, s.Reason = res.StatusCode, res.Reason
	if s.OK, s.Words = explainOptions(s.Code); !s.OK {
		s.Words, s.Hint = s.Words+told(res), hintFor(s.Code)
	}
	if seen, ok := t.checkSeen(res, h); ok {
		return []TrunkStep{s, seen}
	}
	return []TrunkStep{s}
}

// checkSeen compares where the trunk says that it sees us (RFC 3581) with what our
// calls name; false when it does not say.
func (t *trunk) checkSeen(res *gosip.Response, h hop) (s TrunkStep, ok bool) {
	via := res.Via()
	if via == nil {
		return s, false
	}
	text, _ := via.Params.Get("received")
	seen, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return s, false
	}
	s = TrunkStep{What: "address", Target: h.String(), OK: true}
	s.Words, s.Hint = explainSeen(seen.Unmap(), t.e.AdvertisedFor(h.addr.Addr()), t.e.publicFor(h.transport, h.addr.Addr()).Addr().IsValid())
	return s, true
}

// checkRegister sends a querying REGISTER and answers its challenge; each
// message is a step.
func (t *trunk) checkRegister(ctx context.Context) (steps []TrunkStep) {
	o := outside{method: gosip.REGISTER, callID: token(8), fromTag: token(8), supported: "path"}
	var proof *digest.Exchange
	if t.auth != nil {
		proof = t.auth.Begin(digest.Request{Method: string(gosip.REGISTER), URI: t.requestURI("").URI()})
	}
	for range checkSent {
		o.cseq++
		s, res := t.checkSend(ctx, o)
		steps = append(steps, s)
		last := &steps[len(steps)-1]
		if res == nil || s.Code != 401 && s.Code != 407 {
			break
		}
		if proof == nil {
			last.OK = false
			last.Words, last.Hint = explainProof(errNoPassword)
			break
		}
		fields, _ := challengesOf(res)
		var err error
		if o.fields, err = proof.Challenged(fields); err != nil {
			last.OK = false
			last.Words, last.Hint = explainProof(err)
			break
		}
	}
	if last := &steps[len(steps)-1]; !t.cfg.Register && !last.OK && len(steps) == 1 && last.Code != 401 && last.Code != 407 {
		// A provider of a static trunk need not know REGISTER at all; one that
		// asks for our password and refuses it will refuse it for calls, too.
		last.OK = true
		last.Words += "; this trunk has no `register: true`, its calls do not depend on it"
	}
	return steps
}

func (t *trunk) checkSend(ctx context.Context, o outside) (TrunkStep, *gosip.Response) {
	limited, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	s := TrunkStep{What: "register", Target: t.requestURI("").URI()}
	began := t.e.clk.Now()
	h, err := t.pick(limited)
	var res *gosip.Response
	if err == nil {
		res, err = t.exchange(limited, o, h)
	}
	s.Took = t.e.clk.Now().Sub(began)
	if err != nil {
		s.Words, s.Hint = t.explain(ctx, err, h)
		return s, nil
	}
	s.Code, s.Reason = res.StatusCode, res.Reason
	if s.OK, s.Words = explainRegister(s.Code); !s.OK {
		s.Words, s.Hint = s.Words+told(res), hintFor(s.Code)
	}
	return s, res
}

// explainOptions says what an answer to OPTIONS means.
func explainOptions(code int) (ok bool, words string) {
	switch {
	case code >= 200 && code < 300:
		return true, "the trunk answers"
	case code == 408 || code == 503 || code == 504:
		return false, "a proxy answers, but what is behind it does not"
	case code == 401 || code == 407:
		return true, "the trunk answers and wants credentials for OPTIONS, which is normal"
	case code == 403:
		return true, "the trunk answers but forbids OPTIONS; calls may still work"
	case code == 404 || code == 405 || code == 501:
		return true, "the trunk answers but knows no OPTIONS; set `options: off` if it minds"
	}
	return true, "the trunk answers"
}

// explainRegister says what an answer to our REGISTER means.
func explainRegister(code int) (ok bool, words string) {
	switch {
	case code >= 200 && code < 300:
		return true, "the account is accepted"
	case code == 401 || code == 407:
		return true, "it asks for credentials"
	case code == 403:
		return false, "refused: wrong password or auth_user, an account that is blocked, or our address is not allowed"
	case code == 404:
		return false, "the user name is unknown there"
	case code == 400 || code == 416 || code == 420:
		return false, "it does not understand our request"
	case code == 405 || code == 501:
		return false, "nobody registers there: it is no registrar"
	case code >= 300 && code < 400:
		return false, "it sends us elsewhere"
	case code == 423:
		return false, "it wants a longer interval between registrations"
	case code == 480:
		return false, "the account is not available for now"
	case code == 486 || code == 600 || code == 603:
		return false, "it is busy or declines, as a phone does"
	case code == 481 || code == 482 || code == 483:
		return false, "its servers have lost our request between them"
	case code == 410 || code == 604:
		return false, "the account is not there any more"
	case code == 488 || code == 606:
		return false, "it does not accept what we offer"
	case code == 408 || code/100 == 5:
		return false, "the registrar is in trouble; it is tried again"
	}
	return false, "an answer that nobody expects to a registration"
}

// noting makes calls from trunks leave their numbers for the next check, then
// hands them on.
func (e *Endpoint) noting(incoming func(*Dialog)) func(*Dialog) {
	if incoming == nil {
		return nil
	}
	return func(d *Dialog) {
		if o := d.Origin(); o.Kind == FromTrunk {
			e.noteInvite(o.Name, d.RequestURI(), d.Headers())
		}
		incoming(d)
	}
}

// noteInvite keeps where an INVITE from a trunk carried the dialled number.
func (e *Endpoint) noteInvite(name string, request Address, h Headers) {
	t := find(*e.live.Load(), name)
	if t == nil {
		return
	}
	in := &InboundNumbers{At: e.clk.Now()}
	add := func(header string, a Address, err error) {
		if err == nil && a.User != "" {
			in.Places = append(in.Places, NumberPlace{header, unescapeUser(a.User)})
		}
	}
	add("request-uri", request, nil)
	for _, header := range [...]string{"to", "p-called-party-id", "diversion"} {
		if v := h.Get(header); v != "" {
			a, err := ParseAddress(v)
			add(header, a, err)
		}
	}
	t.state.mu.Lock()
	defer t.state.mu.Unlock()
	t.state.inbound = in
}

func (t *trunk) lastInbound() *InboundNumbers {
	t.state.mu.Lock()
	defer t.state.mu.Unlock()
	return t.state.inbound
}
