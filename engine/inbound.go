package engine

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/sip"
)

// incoming takes a new dialog: who is called, which route, which script, and
// whether there is room. It runs on the dialog's goroutine.
func (e *Engine) incoming(d Incoming) {
	select {
	case <-e.up:
	case <-e.ctx.Done():
		e.turnAway(d, 503, "", sip.Header{Name: "Retry-After", Value: strconv.Itoa(retryAfter)})
		return
	}
	if e.takeOver(d) {
		return
	}
	cfg := e.Config()
	in := e.parties(cfg, d)
	route, why := cfg.Match(in.Incoming, e.isOpen)
	if direct := e.directScript(d); direct != nil && (route == nil || e.meansScript(d, direct.Script) && route.Script != direct.Script) {
		route = direct
	} else if direct != nil && route.Script != direct.Script && e.opts.Dev {
		e.log.Warn("a route takes a call to the name of a script", "script", direct.Script, "route", route.Place,
			"hint", "put a route for "+direct.Script+" above it, or ring it with: loopstart call "+direct.Script)
	}
	if h := e.askUser(cfg, d, in, route); h != nil {
		e.turnAway(d, 401, "", h...)
		return
	}
	if route == nil {
		e.log.Warn("call refused: "+why, "to", phone.Mask(in.To), "from", phone.Mask(in.From), "origin", d.Origin().Kind.String(), "name", d.Origin().Name)
		e.turnAway(d, 404, "")
		return
	}
	e.take(cfg, d, in, route)
}

// askUser is the challenge for a trusted caller whom no route takes, and who
// says to be a user whom a route would take: a phone on this machine that has
// not registered, say. nil: nobody is asked.
func (e *Engine) askUser(cfg *config.Config, d Incoming, in incomingCall, route *config.Route) []sip.Header {
	asks, can := e.sip.(interface {
		Challenges(netip.AddrPort, sip.Headers) []sip.Header
	})
	if route != nil || !can || d.Origin().Kind != sip.FromTrusted {
		return nil
	}
	if _, is := cfg.User(d.From().User); !is {
		return nil
	}
	in.User = d.From().User
	if route, _ = cfg.Match(in.Incoming, e.isOpen); route == nil {
		return nil
	}
	return asks.Challenges(d.Origin().Source, d.Headers())
}

// incomingCall is who calls whom, as routes and records see it.
type incomingCall struct {
	config.Incoming
	from, to call.Party
	trunk    *config.Trunk
}

// parties reads the numbers of an INVITE: a trunk's headers in the order its
// configuration gives, else the Request-URI and From.
func (e *Engine) parties(cfg *config.Config, d Incoming) incomingCall {
	to, from := d.RequestURI(), d.From()
	in := incomingCall{}
	switch o := d.Origin(); o.Kind {
	case sip.FromTrunk:
		t, account := trunkOf(cfg, o.Name)
		if in.Trunk = o.Name; t != nil {
			in.Trunk, in.trunk = t.Name, t
			to, from = dialledAccount(account, e.did(cfg, t, d)), callerOf(t, d)
		}
	case sip.FromUser:
		in.User = o.Name
	}
	in.to, in.from = party(cfg, to), party(cfg, from)
	if hidesCaller(d.Headers()) {
		in.from = call.Party{URI: "sip:anonymous@anonymous.invalid", User: "anonymous", Host: "anonymous.invalid"}
	}
	in.To, in.From = in.to.Number(), in.from.Number()
	return in
}

// did is the first of the trunk's headers that holds a number of ours; a
// number is ours when a route or a trunk's from names it. Without one it is
// the first that holds anything.
func (e *Engine) did(cfg *config.Config, t *config.Trunk, d Incoming) sip.Address {
	var first sip.Address
	for _, name := range t.DID {
		a := headerAddress(d, name)
		if a.User == "" {
			continue
		}
		if first.User == "" {
			first = a
		}
		if owned(cfg, phone.Normalize(a.User, cfg.Project.Country)) {
			return a
		}
	}
	if first.User == "" {
		return d.RequestURI()
	}
	return first
}

func owned(cfg *config.Config, number string) bool {
	for _, t := range cfg.Trunks {
		for _, f := range t.From {
			if f == number {
				return true
			}
		}
	}
	route, _ := cfg.Match(config.Incoming{To: number, From: "+0", Trunk: "*", User: "*"}, func(string) bool { return true })
	return route != nil && len(route.To) > 0
}

func callerOf(t *config.Trunk, d Incoming) sip.Address {
	for _, name := range t.Caller {
		if a := headerAddress(d, name); a.User != "" {
			return a
		}
	}
	return d.From()
}

func headerAddress(d Incoming, name string) sip.Address {
	switch name {
	case "request-uri":
		return d.RequestURI()
	case "to":
		return d.To()
	case "from":
		return d.From()
	}
	for _, value := range d.Headers().All(name) {
		if a, err := sip.ParseAddress(value); err == nil {
			return a
		}
	}
	return sip.Address{}
}

// party is an address as scripts see it. An anonymous caller has no number.
func party(cfg *config.Config, a sip.Address) call.Party {
	p := call.Party{URI: a.URI(), User: a.User, Host: a.Host, Name: a.Display}
	if strings.EqualFold(a.User, "anonymous") || strings.HasSuffix(strings.ToLower(a.Host), ".invalid") {
		return p
	}
	if n := phone.Normalize(a.User, cfg.Project.Country); strings.HasPrefix(n, "+") {
		p.E164 = n
	}
	return p
}

// directScript lets trusted sources reach a script by its name, also those
// that are a trunk's at the same time; in dev also registered users, who are
// the author's own phones.
func (e *Engine) directScript(d Incoming) *config.Route {
	o := d.Origin()
	if !trusted(e.Config(), o.Source.Addr()) && !(e.opts.Dev && o.Kind == sip.FromUser) {
		return nil
	}
	name := d.RequestURI().User
	if _, err := e.scripts.Current(name); fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	return &config.Route{Script: name, Place: "sip:" + name}
}

// meansScript tells whether the caller, a trusted one, asks for the script
// even where a route takes that name: `loopstart call menu` rings menu also in
// a project whose first route is for any number.
func (e *Engine) meansScript(d Incoming, name string) bool {
	return trusted(e.Config(), d.Origin().Source.Addr()) && d.Headers().Get(scriptHeader) == name
}

func (e *Engine) isOpen(name string) bool {
	s, ok := e.Config().Schedule(name)
	return ok && s.Hours.IsOpen(e.clk.Now())
}

// turnAway refuses a dialog that never becomes a call.
func (e *Engine) turnAway(d Incoming, code int, reason string, h ...sip.Header) {
	_ = d.Reject(code, reason, h...)
	go func() {
		for range d.Events() {
			e.clk.Busy(-1) // counted by dialogs of this process
		}
	}()
}

// take makes a call of the dialog.
func (e *Engine) take(cfg *config.Config, d Incoming, in incomingCall, route *config.Route) {
	if route.Reject > 0 && route.Script == "" && len(route.Connect) == 0 {
		e.turnAway(d, route.Reject, "")
		return
	}
	t := ticket{script: route.Script, route: route.Place}
	if err := e.admission.admit(cfg, e.clk.Now(), t, route.MaxCalls); err != nil {
		e.overload(d, err)
		return
	}
	l := &live{ticket: t, route: route.Place, began: e.clk.Now()}
	if in.trunk != nil {
		line, err := e.lines.arrive(in.trunk)
		if err != nil {
			e.admission.release(t)
			e.overload(d, err)
			return
		}
		l.line = line
		e.lines.came(e.tallies, in.trunk.Name)
	}
	spec := e.inboundSpec(cfg, d, in, route)
	if route.Script != "" {
		v, err := e.scripts.Acquire(route.Script)
		if err != nil {
			e.log.Warn("call refused: "+err.Error(), "route", route.Place)
			e.admission.release(t)
			if l.line != nil {
				l.line()
			}
			e.turnAway(d, 480, "")
			return
		}
		l.version, spec.Version = v, v.ID
		e.applySettings(&spec, v)
	}
	l.steps = e.opts.Dev && trusted(cfg, d.Origin().Source.Addr()) && d.Headers().Get(stepsHeader) != ""
	l.Call = call.New(spec, e.callDeps())
	e.calls.add(l)
	e.began(l.Call)
	e.live.put(l)
	l.Inbound(d)
	if l.version == nil {
		l.RunConnect(config.Targets(route.Connect, in.Incoming), route.Record, cfg.Limits.Ring)
		return
	}
	e.startScript(l)
}

// overload answers a call beyond a limit: 486 for a route's own, else 503. The
// log comes second: whoever reads it may be slow.
func (e *Engine) overload(d Incoming, err error) {
	defer func() { e.log.Warn("call refused: " + err.Error()) }()
	if fault.CodeOf(err) == fault.Limit && strings.Contains(err.Error(), "max_calls") {
		e.turnAway(d, 486, "")
		return
	}
	e.turnAway(d, 503, "", sip.Header{Name: "Retry-After", Value: strconv.Itoa(retryAfter)})
}

// retryAfter is what an overloaded server asks for, in seconds.
const retryAfter = 5

func (e *Engine) inboundSpec(cfg *config.Config, d Incoming, in incomingCall, route *config.Route) call.Spec {
	id := e.newID("call")
	o := d.Origin()
	names := cfg.Media.Codecs
	if in.trunk != nil && len(in.trunk.Codecs) > 0 {
		names = in.trunk.Codecs
	}
	s := call.Spec{
		ID: id + ".1", Order: id, Script: route.Script, From: in.from, To: in.to, Trunk: in.Trunk, User: in.User,
		Language: cfg.Project.Language, Record: route.Record && route.Script != "", Stereo: cfg.Recordings.Stereo,
		Fallback: actions(route.Fallback, in.Incoming), MaxDuration: cfg.Limits.CallDuration, RingTimeout: cfg.Limits.Ring,
		Peer: o.Source.Addr(), Session: e.sessionFor(o.Source.Addr(), names, o.Kind == sip.FromUser || o.Kind == sip.FromTrunk), Attempt: call.Attempt{N: 1, Of: 1, Order: id},
	}
	s.Session.Digits = digitMethod(in.trunk)
	s.Session.SRTP = answerSecurity(cfg, o, in.trunk)
	if max := cfg.ScriptLimits(route.Script).CallDuration; max > 0 {
		s.MaxDuration = max
	}
	hidden := hidesCaller(d.Headers())
	for _, h := range d.Headers() {
		if hidden && tellsCaller(h.Name) {
			continue
		}
		s.Headers = append(s.Headers, [2]string{h.Name, h.Value})
	}
	s.Data = routeData(route.Data)
	if trusted(cfg, o.Source.Addr()) {
		if data, ok := headerData(d.Headers().Get(dataHeader)); ok {
			s.Data = data
		}
	}
	return s
}

// dataHeader carries call.data of the built-in caller, base64url of JSON. Only
// trusted sources are believed.
const dataHeader = "X-Loopstart-Data"

// scriptHeader names the script that is to take the call, before any route.
// Only trusted sources are believed.
const scriptHeader = "X-Loopstart-Script"

// stepsHeader asks for step tracing of one call. Only dev grants it, and only
// to trusted sources.
const stepsHeader = "X-Loopstart-Steps"

func headerData(value string) (json.RawMessage, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	return raw, err == nil && len(raw) > 0 && json.Valid(raw)
}

func routeData(data map[string]any) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("{}")
	}
	b, err := json.Marshal(data)
	if err != nil {
		return json.RawMessage("{}")
	}
	return b
}

func actions(list []config.Action, in config.Incoming) []call.Action {
	var out []call.Action
	for _, a := range list {
		out = append(out, call.Action{Say: a.Say, Play: a.Play, Connect: config.Targets(a.Connect, in), Reject: a.Reject, Hangup: a.Hangup})
	}
	return out
}

// callDeps are what every call of this engine shares.
func (e *Engine) callDeps() call.Deps {
	return call.Deps{
		Clock: e.clk, Log: e.log, Open: e.media.Open, Anew: e.wayAnew, Dialer: dialer{e}, Prompts: (*prompts)(e), Recordings: e.record, Observer: e,
		Talked:   func(member string) { e.groups.talked(member, e.clk.Now()); e.queues.talked(member) },
		Queues:   &e.queues,
		Counters: &e.counters, Apology: e.apology, MaxRecord: e.Config().Limits.Recording, DeadAir: e.Config().Limits.DeadAir, Veil: e.veil.text,
		Transfers: transfers{e}, Streams: &e.streams, Rooms: e.rooms, NewMixer: e.media.NewMixer, Recognizer: e.recognizer(),
	}
}

// isHangup tells an error that only says that the call is over.
func isHangup(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Code == fault.Hangup
}
