package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/scripts"
)

// attempt makes one dial of an order, if everything still speaks for it.
func (o *orders) attempt(ord *order) {
	e := o.e
	ord.mu.Lock()
	cancelled, expired := ord.cancel, !ord.Expires.IsZero() && e.clk.Now().After(ord.Expires)
	ord.mu.Unlock()
	switch {
	case cancelled:
		o.finish(ord, stateCancelled, "cancelled")
		return
	case expired:
		o.finish(ord, stateDone, "expired")
		return
	}
	v, err := e.scripts.Acquire(ord.Script)
	if err != nil {
		o.later(ord, brokenScriptDelay, err.Error())
		return
	}
	if !o.before(ord, v) {
		e.scripts.Release(v)
		return
	}
	if err := o.launch(ord, v); err != nil {
		e.scripts.Release(v)
	}
}

// before runs the script's beforeAttempt and reports whether to dial.
func (o *orders) before(ord *order, v *scripts.Version) bool {
	if !v.Has("beforeAttempt") {
		return true
	}
	ctx, cancel := context.WithCancel(o.e.ctx)
	defer cancel()
	answer, err := o.e.run(ctx, v, "beforeAttempt", ord.ID, map[string]any{
		"to": ord.To, "data": ord.Data, "attempt": map[string]any{"n": len(ord.Made) + 1, "of": ord.Attempts, "order": ord.ID},
	}, beforeAttemptLimit)
	if err != nil {
		o.later(ord, brokenScriptDelay, "beforeAttempt: "+err.Error())
		return false
	}
	var a struct {
		Skip    string          `json:"skip"`
		Later   json.RawMessage `json:"later"`
		Data    json.RawMessage `json:"data"`
		Prompts json.RawMessage `json:"prompts"`
	}
	if len(answer) > 0 && string(answer) != "null" && json.Unmarshal(answer, &a) != nil {
		o.later(ord, brokenScriptDelay, "beforeAttempt returned something that is no object")
		return false
	}
	return o.obey(ord, v, a.Skip, a.Later, a.Data, a.Prompts)
}

const beforeAttemptLimit = 5 * time.Second

func (o *orders) obey(ord *order, v *scripts.Version, skip string, later, data, prompts json.RawMessage) bool {
	switch {
	case skip != "":
		o.finish(ord, stateDone, skip)
		return false
	case len(later) > 0:
		d, err := parseSpan(strings.Trim(string(later), `"`))
		if err != nil || d <= 0 {
			d = brokenScriptDelay
		}
		o.later(ord, d, "beforeAttempt: later")
		return false
	}
	if len(data) > 0 {
		ord.mu.Lock()
		ord.Data = data
		ord.mu.Unlock()
	}
	if len(prompts) > 0 {
		o.e.prerender(v, prompts)
	}
	return true
}

// launch writes the intent and then dials.
func (o *orders) launch(ord *order, v *scripts.Version) error {
	e, cfg := o.e, o.e.Config()
	t := ticket{script: ord.Script}
	if err := e.admission.admit(cfg, e.clk.Now(), t, 0); err != nil {
		o.later(ord, time.Second, err.Error())
		return err
	}
	ord.mu.Lock()
	n := len(ord.Made) + 1
	id := ord.ID + "." + strconv.Itoa(n)
	ord.Made = append(ord.Made, OrderAttempt{ID: id, At: e.clk.Now()})
	ord.State, ord.NextAt, ord.Reason = stateDialing, time.Time{}, ""
	row := ord.row()
	ord.mu.Unlock()
	if err := e.store.PutOrder(row); err != nil {
		// Without the intent on disk there is no INVITE.
		ord.mu.Lock()
		ord.Made = slices.Delete(ord.Made, n-1, n)
		ord.mu.Unlock()
		e.admission.release(t)
		o.later(ord, brokenScriptDelay, err.Error())
		return err
	}
	l := &live{ticket: t, version: v, order: ord, began: e.clk.Now()}
	spec := e.outboundSpec(ord, v, id, n)
	place, err := e.placeOf(ord, spec)
	l.Call = call.New(spec, e.callDeps())
	e.calls.add(l)
	e.began(l.Call)
	if err != nil {
		l.Undialled(err)
		return nil
	}
	l.Originate(place)
	return nil
}

func (e *Engine) outboundSpec(ord *order, v *scripts.Version, id string, n int) call.Spec {
	cfg := e.Config()
	spec := call.Spec{
		ID: id, Order: ord.ID, Key: ord.Key, Script: ord.Script, Version: v.ID, Outbound: true,
		From: numberParty(ord.From), To: numberParty(ord.To), Trunk: ord.Trunk, Data: ord.Data, Language: cfg.Project.Language,
		Stereo: cfg.Recordings.Stereo, MaxDuration: cfg.Limits.CallDuration, RingTimeout: cfg.Limits.Ring,
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
		p.E164 = number
	}
	return p
}

// placeOf is where an order's call rings: a number through its trunks, a
// user's phones, or the members of a group one after another.
func (e *Engine) placeOf(ord *order, spec call.Spec) (call.Place, error) {
	places, err := dialer{e}.Resolve(call.DialRequest{
		Target: ord.To, From: ord.From, Trunk: ord.Trunk, Script: ord.Script, Timeout: spec.RingTimeout,
	})
	if err != nil {
		return call.Place{}, err
	}
	if len(places) == 0 {
		return call.Place{}, fault.New(fault.Unavailable, "nobody is registered for %s", phone.Mask(ord.To))
	}
	p := places[0]
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
