package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/scripts"
)

// attempt makes one dial of an order, if everything still speaks for it.
func (o *orders) attempt(ord *order) {
	e := o.e
	if !o.timely(ord) || !o.allowed(ord) {
		ord.mu.Lock()
		st := ord.seat
		ord.seat = nil
		ord.mu.Unlock()
		if st != nil {
			st.giveBack()
		}
		return
	}
	st := o.seat(ord)
	if st == nil {
		return
	}
	v, err := e.scripts.Acquire(ord.Script)
	if err != nil {
		st.giveBack()
		o.later(ord, brokenScriptDelay, err.Error())
		return
	}
	if !o.before(ord, v) || !o.allowed(ord) || !o.unless(ord) || !o.launch(ord, v, st) {
		st.giveBack()
		e.scripts.Release(v)
	}
}

// timely tells whether the order still stands; one that does not is closed.
func (o *orders) timely(ord *order) bool {
	ord.mu.Lock()
	open, cancelled := isOpen(ord.State), ord.cancel
	expired := !ord.Expires.IsZero() && !o.e.clk.Now().Before(ord.Expires)
	ord.mu.Unlock()
	switch {
	case !open:
		return false
	case cancelled:
		o.finish(ord, stateCancelled, "cancelled")
		return false
	case expired:
		o.finish(ord, stateDone, "expired")
		return false
	}
	return true
}

// seat is the one that the order waited for, or a free one if nobody waits
// before it. Without one the order lines up.
func (o *orders) seat(ord *order) *seat {
	ord.mu.Lock()
	st := ord.seat
	ord.seat = nil
	if ord.dueAt.IsZero() {
		ord.dueAt = o.e.clk.Now()
	}
	ord.mu.Unlock()
	if st != nil {
		return st
	}
	st, lacks, err := o.e.takeSeat(ord)
	if err == nil && st.unplaced == nil {
		if trunk := st.place.Routes[0].Trunk; o.lineup.holds(trunk) {
			st.giveBack()
			st, lacks = nil, trunk
		}
	}
	if st == nil {
		o.lineup.wait(ord, lacks)
	}
	return st
}

// allowed applies what holds at the instant of dialling: the stop-list and the
// window. It says what follows if the answer is no.
func (o *orders) allowed(ord *order) bool {
	stopped, err := stopList{o.e}.Has(ord.To)
	switch {
	case err != nil: // nobody knows, so nobody is called
		o.later(ord, brokenScriptDelay, err.Error())
		return false
	case stopped:
		o.finish(ord, stateDone, campaign.ReasonStopList)
		return false
	}
	now := o.e.clk.Now()
	opens, ok := o.e.opening(&ord.Order, now)
	switch {
	case !ok:
		o.finish(ord, stateDone, campaign.ReasonWindow)
	case opens.After(now):
		o.until(ord, opens, campaign.ReasonWindow)
	default:
		return true
	}
	return false
}

// opening is the first instant not before at when the order's window is open.
func (e *Engine) opening(ord *Order, at time.Time) (time.Time, bool) {
	if ord.Window.IsZero() {
		return at, true
	}
	w, err := campaign.NewWindow(ord.Window, campaign.Hours{}, nil)
	if err != nil {
		return time.Time{}, false
	}
	return w.Next(at, e.zoneOf(ord))
}

// zoneOf is whose clock counts for an order.
func (e *Engine) zoneOf(ord *Order) *time.Location {
	loc, err := time.LoadLocation(campaign.ZoneOf("", ord.Zone, ord.To, e.Config().Project.Zone))
	if err != nil {
		return time.UTC
	}
	return loc
}

// before runs the script's beforeAttempt and reports whether to dial.
func (o *orders) before(ord *order, v *scripts.Version) bool {
	a, err := o.e.askBefore(o.e.ctx, v, beforeFacts{To: ord.To, Data: ord.Data, N: len(ord.Made) + 1, Of: ord.Attempts, Order: ord.ID})
	switch {
	case err != nil:
		o.later(ord, brokenScriptDelay, "beforeAttempt: "+err.Error())
		return false
	case a.Skip != "":
		o.finish(ord, stateDone, a.Skip)
		return false
	case a.Later > 0:
		o.later(ord, a.Later, "beforeAttempt: later")
		return false
	}
	if len(a.Data) > 0 {
		ord.mu.Lock()
		ord.Data = a.Data
		ord.mu.Unlock()
	}
	if len(a.Prompts) > 0 {
		o.e.prerender(v, a.Prompts)
	}
	return true
}

// beforeFacts are what beforeAttempt is told.
type beforeFacts struct {
	To              string
	Data            json.RawMessage
	N, Of           int
	Order, Campaign string
}

// beforeAnswer is what it may answer; nothing of it set is: dial.
type beforeAnswer struct {
	Skip          string
	Later         time.Duration
	Data, Prompts json.RawMessage
}

const beforeAttemptLimit = 5 * time.Second

// askBefore runs beforeAttempt, if the script has it.
func (e *Engine) askBefore(ctx context.Context, v *scripts.Version, b beforeFacts) (out beforeAnswer, err error) {
	if !v.Has("beforeAttempt") {
		return out, nil
	}
	argument := map[string]any{"to": b.To, "data": b.Data, "attempt": map[string]any{"n": b.N, "of": b.Of, "order": b.Order}}
	if b.Campaign != "" {
		argument["campaign"] = b.Campaign
	}
	answer, err := e.run(ctx, v, "beforeAttempt", b.Order, argument, beforeAttemptLimit)
	if err != nil {
		return out, err
	}
	var a struct {
		Skip    string          `json:"skip"`
		Later   json.RawMessage `json:"later"`
		Data    json.RawMessage `json:"data"`
		Prompts json.RawMessage `json:"prompts"`
	}
	if len(answer) > 0 && string(answer) != "null" && json.Unmarshal(answer, &a) != nil {
		return out, errors.New("it returned something that is no object")
	}
	out.Skip, out.Data, out.Prompts = a.Skip, a.Data, a.Prompts
	if len(a.Later) > 0 {
		if out.Later, err = parseSpan(strings.Trim(string(a.Later), `"`)); err != nil || out.Later <= 0 {
			out.Later = brokenScriptDelay
		}
	}
	return out, nil
}

// launch writes the intent and then dials. false: it did not.
func (o *orders) launch(ord *order, v *scripts.Version, st *seat) bool {
	e := o.e
	id, err := o.intend(ord)
	if err != nil {
		// Without the intent on disk there is no INVITE.
		o.later(ord, brokenScriptDelay, err.Error())
		return false
	}
	e.campaigns.noteDial(ord.To, id)
	l := &live{ticket: st.ticket, version: v, order: ord, began: e.clk.Now(), line: st.free}
	l.Call = call.New(e.outboundSpec(ord, v, id, len(ord.Made)), e.callDeps())
	e.calls.add(l)
	e.began(l.Call)
	if st.unplaced != nil {
		l.Undialled(st.unplaced)
	} else {
		l.Originate(st.place)
	}
	return true
}

// intend writes the next attempt of an order to the disk.
func (o *orders) intend(ord *order) (id string, err error) {
	ord.mu.Lock()
	was, n := ord.Order, len(ord.Made)+1
	id = attemptID(ord.ID, n)
	ord.Made = append(slices.Clone(ord.Made), OrderAttempt{ID: id, At: o.e.clk.Now()})
	ord.State, ord.NextAt, ord.Reason, ord.dueAt = stateDialing, time.Time{}, "", time.Time{}
	row := ord.row()
	ord.mu.Unlock()
	if err = o.e.store.PutOrder(row); err != nil {
		ord.mu.Lock()
		ord.Made, ord.State, ord.NextAt = was.Made, was.State, was.NextAt
		ord.mu.Unlock()
	}
	return id, err
}

func (e *Engine) outboundSpec(ord *order, v *scripts.Version, id string, n int) call.Spec {
	cfg := e.Config()
	spec := call.Spec{
		ID: id, Order: ord.ID, Key: ord.Key, Script: ord.Script, Version: v.ID, Outbound: true,
		From: numberParty(ord.From), To: numberParty(ord.To), Trunk: ord.Trunk, Data: ord.Data, Language: cfg.Project.Language,
		Campaign: ord.Campaign, Stereo: cfg.Recordings.Stereo, MaxDuration: cfg.Limits.CallDuration, RingTimeout: cfg.Limits.Ring,
		Attempt: call.Attempt{N: n, Of: ord.Attempts, Order: ord.ID},
	}
	if ord.Timeout > 0 {
		spec.RingTimeout = ord.Timeout
	}
	if max := cfg.ScriptLimits(ord.Script).CallDuration; max > 0 {
		spec.MaxDuration = max
	}
	e.applySettings(&spec, v)
	if after, err := call.ParseDeliveredAfter(ord.After); err == nil && ord.After != "" {
		spec.After = after
	}
	return spec
}

func numberParty(number string) call.Party {
	p := call.Party{User: number}
	if strings.HasPrefix(number, "+") {
		p.E164, p.URI = number, "tel:"+number // RFC 3966: which trunk takes it is decided later
	}
	return p
}

// placeOf is where an order's call rings: a number through its trunks, all
// phones of a user, or the members of a group one after another.
func (e *Engine) placeOf(ord *order, spec call.Spec) (call.Place, error) {
	places, err := dialer{e}.Resolve(call.DialRequest{
		Target: ord.To, From: ord.From, Trunk: ord.Trunk, Hide: ord.Hide, Script: ord.Script, Timeout: spec.RingTimeout,
	})
	if err != nil {
		return call.Place{}, err
	}
	if len(places) == 0 {
		return call.Place{}, fault.New(fault.Unavailable, "nobody is registered for %s", phone.Mask(ord.To))
	}
	p := places[0]
	if _, user := e.Config().User(ord.To); user {
		p.Together = places[1:]
		return p, nil
	}
	for _, more := range places[1:] {
		p.Routes = append(p.Routes, more.Routes...)
	}
	return p, nil
}

// prerender makes the audio of prompts before the dial.
func (e *Engine) prerender(v *scripts.Version, raw json.RawMessage) {
	var lists []json.RawMessage
	if json.Unmarshal(raw, &lists) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, prerenderLimit)
	defer cancel()
	st := e.settings.of(v)
	for _, one := range lists {
		parts, err := parseParts(one)
		if err != nil {
			continue
		}
		r := call.PromptRequest{Parts: parts, Language: first(st.Language, e.Config().Project.Language), Voice: st.Voice, Script: v.Script, Version: v.ID}
		if _, err := (*prompts)(e).Load(ctx, r); err != nil {
			e.log.Warn("prompt cannot be made ahead: "+err.Error(), "script", v.Script)
		}
	}
}

const prerenderLimit = 20 * time.Second

// parseParts reads a text, one part or a list of parts.
func parseParts(raw json.RawMessage) ([]call.Part, error) {
	var list []call.Part
	if json.Unmarshal(raw, &list) == nil {
		return list, nil
	}
	var one call.Part
	if err := json.Unmarshal(raw, &one); err != nil {
		return nil, fault.New(fault.Invalid, "prompt: %w", err)
	}
	return []call.Part{one}, nil
}

// attemptID names the nth dial of an order; 0 is of one that nobody was
// dialled for.
func attemptID(order string, n int) string { return order + "." + strconv.Itoa(n) }
