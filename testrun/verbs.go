package testrun

import (
	"encoding/json"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/sip"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// key names a party as the script half does: one of the fields is set.
type key struct {
	In     string  `json:"in"`     // somebody who called
	Order  string  `json:"order"`  // whoever an order calls
	To     string  `json:"to"`     // the party's key, of an order
	Callee *string `json:"callee"` // a number, "" for everybody
	User   string  `json:"user"`
	Agent  *int    `json:"agent"` // a server of media streams
}

// find is the party of a key; the lock is held.
func (s *stage) find(k key) (*party, error) {
	switch {
	case k.In != "":
		return s.party("in:" + k.In), nil
	case k.Order != "":
		return s.party(k.To), nil
	case k.Agent != nil:
		return s.party("agent:" + itoa(*k.Agent)), nil
	case k.User == "*":
		return s.operators, nil
	case k.User != "":
		if _, ok := s.cfg.User(k.User); !ok {
			return nil, s.noUser(k.User)
		}
		return s.party(userKey(k.User)), nil
	case k.Callee != nil && *k.Callee != "":
		return s.party(calleeKey(phone.Normalize(*k.Callee, s.cfg.Project.Country))), nil
	}
	return s.anybody, nil
}

func (s *stage) noUser(name string) error {
	var names []string
	for _, u := range s.cfg.SIP.Users {
		names = append(names, u.Name)
	}
	e := fault.New(fault.NotFound, "no user %q in sip.users", name)
	if near := suggest.Nearest(name, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("users are %s", strings.Join(names, ", "))
}

// host implements the host of loopstart:test for one stage.
type host struct {
	*stage
	dir   string // of the test file, for sounds and snapshots
	names snapshotNames
}

type waitVerb func(h *host, args json.RawMessage, done func(any, error)) error

var waitVerbs = map[string]waitVerb{
	"inbound": (*host).inbound, "outbound": (*host).outbound, "hears": (*host).hears, "quiet": (*host).quiet, "press": (*host).press,
	"says": (*host).says, "silent": (*host).silent, "hangup": (*host).hangup, "hold": (*host).hold, "resume": (*host).resume,
	"sends": (*host).sends, "refers": (*host).refers, "message": (*host).message,
	"answered": (*host).answered, "ended": (*host).endedVerb, "rings": (*host).rings, "hook": (*host).hook, "pass": (*host).pass, "to": (*host).to,
	"flow.start": flowVerb("flow", startFlow), "flow.signal": flowVerb("signal", signalFlow), "flow.cancel": flowVerb("cancel", cancelFlow),
	"flow.retry": flowVerb("retry", retryFlow), "flow.ended": (*host).flowEnded,
	"agent.connected": (*host).agentConnected, "agent.says": (*host).agentSays, "agent.do": (*host).agentDo,
}

// Wait implements test.Host. The verb begins when everything has settled.
func (h *host) Wait(name string, args json.RawMessage, done func(any, error)) {
	verb := waitVerbs[name]
	if verb == nil {
		done(nil, fault.New(fault.Internal, "test: no verb %s", name))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.soon(func() {
		if h.broken != nil {
			done(nil, h.broken)
			return
		}
		if err := verb(h, args, done); err != nil {
			done(nil, err)
		}
	})
}

// read decodes arguments.
func read[T any](name string, args json.RawMessage) (o T, err error) {
	if err = json.Unmarshal(args, &o); err != nil {
		if fault.HintOf(err) != "" {
			return o, err
		}
		err = fault.New(fault.Invalid, "%s: %w", name, err)
	}
	return o, err
}

// partyArgs are the arguments that most verbs of a party have.
type partyArgs struct {
	Key    key     `json:"key"`
	Within span    `json:"within"`
	For    span    `json:"for"`
	What   pattern `json:"what"`
	Keys   string  `json:"keys"`
	Text   string  `json:"text"`
	Audio  string  `json:"audio"`
}

// of reads the arguments of a verb and finds its party.
func (h *host) of(name string, args json.RawMessage) (a partyArgs, p *party, err error) {
	if a, err = read[partyArgs](name, args); err == nil {
		p, err = h.find(a.Key)
	}
	return a, p, err
}

// up is the phone that a verb needs to be in a call.
func (p *party) up(verb string) (*handset, error) {
	ph := p.phone()
	switch {
	case ph == nil:
		return nil, fault.New(fault.Conflict, "%s: nobody has called yet", verb).WithHint("await rings() or hears(…) first")
	case ph.closed:
		return nil, fault.New(fault.Hangup, "%s: the call is over", verb)
	case verb != "hangup" && ph.state != "answered" && ph.state != "early":
		return nil, fault.New(fault.Conflict, "%s: the call is not answered yet", verb).WithHint("await answered() or hears(…) first")
	}
	return ph, nil
}

type inboundArgs struct {
	To, From, Trunk, User string
	Data                  json.RawMessage
	Headers               map[string]string
}

// inbound sends an INVITE.
func (h *host) inbound(args json.RawMessage, done func(any, error)) error {
	a, err := read[inboundArgs]("inbound", args)
	if err != nil {
		return err
	}
	in, err := h.inviteOf(a)
	if err != nil {
		return err
	}
	if h.made++; h.made > MaxCalls {
		return fault.New(fault.Limit, "test: more than %d calls (limit calls)", MaxCalls)
	}
	h.callers++
	name := itoa(h.callers)
	p := h.party("in:" + name)
	ph, err := h.newPhone(p, "in"+name)
	if err != nil {
		return err
	}
	ph.invite, ph.offer = in, ph.session.Offer()
	p.phones = append(p.phones, ph)
	// The engine answers on this goroutine and asks the phone: not under the lock.
	h.clk.AfterFunc(0, func() {
		h.mu.Lock()
		h.coming = ph
		h.mu.Unlock()
		h.line.incoming(ph)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.coming = nil
		h.last(func() {
			if ph.call == nil {
				done(nil, h.refused(a.To, ph.code))
				return
			}
			done(map[string]any{"in": name}, nil)
		})
	})
	return nil
}

// refused tells why the engine took no call.
func (h *host) refused(to string, code int) error {
	why := ""
	for _, l := range h.lines {
		if strings.HasPrefix(l, "call refused: ") {
			why = ": " + strings.TrimPrefix(l, "call refused: ")
		}
	}
	err := fault.New(fault.NotFound, "inbound: the call to %s was refused with %d%s", to, code, why)
	if code != 404 {
		return err
	}
	return err.WithHint("to is the name of a script, or a number that a route of loopstart.yaml takes")
}

// inviteOf decides where a call comes from.
func (h *host) inviteOf(a inboundArgs) (in invite, err error) {
	from := a.From
	if from == "" {
		from = "+79161234567"
	}
	in.from, in.to = sip.Address{User: from, Host: "phone.test"}, sip.Address{User: a.To, Host: "loopstart.test"}
	in.origin = sip.Origin{Kind: sip.FromTrusted, Source: netip.AddrPortFrom(loopback, 5060), Transport: "udp"}
	number := strings.Trim(a.To, "+0123456789 ()-") == ""
	switch {
	case a.User != "":
		if _, ok := h.cfg.User(a.User); !ok {
			return in, h.noUser(a.User)
		}
		in.origin.Kind, in.origin.Name, in.from.User = sip.FromUser, a.User, a.User
	case a.Trunk != "":
		if _, ok := h.cfg.Trunk(a.Trunk); !ok {
			return in, fault.New(fault.NotFound, "inbound: no trunk %q", a.Trunk)
		}
		in.origin.Kind, in.origin.Name = sip.FromTrunk, a.Trunk
	case number && len(a.Data) == 0:
		in.origin.Kind, in.origin.Name = sip.FromTrunk, h.trunkOf(phone.Normalize(a.To, h.cfg.Project.Country))
	}
	if !number && a.User == "" && a.Trunk == "" {
		in.headers = append(in.headers, engine.ScriptHeader(a.To))
	}
	if len(a.Data) > 0 && string(a.Data) != "null" {
		in.headers = append(in.headers, engine.DataHeader(a.Data))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		in.headers = append(in.headers, sip.Header{Name: name, Value: a.Headers[name]})
	}
	return in, nil
}

// trunkOf is the trunk that a number of ours is called through.
func (h *host) trunkOf(number string) string {
	for _, t := range h.cfg.Trunks {
		if slices.Contains(t.From, number) {
			return t.Name
		}
	}
	return h.cfg.Trunks[0].Name
}

type outboundArgs struct {
	Script, To, From, Trunk, Key, At, Timeout, Expires, DeliveredAfter, Zone string
	Data, Window                                                             json.RawMessage
	Attempts, Priority                                                       int
	Hide                                                                     bool
	Retry                                                                    map[string]any
	Dedupe                                                                   any
}

// outbound places an order.
func (h *host) outbound(args json.RawMessage, done func(any, error)) error {
	a, err := read[outboundArgs]("outbound", args)
	if err != nil {
		return err
	}
	r := engine.OrderRequest{
		Script: a.Script, To: a.To, From: a.From, Trunk: a.Trunk, Hide: a.Hide, Key: a.Key, At: a.At, Timeout: a.Timeout, Expires: a.Expires,
		DeliveredAfter: a.DeliveredAfter, Data: a.Data, Attempts: a.Attempts, Retry: map[string]string{},
		Window: a.Window, Zone: a.Zone, Priority: a.Priority, Dedupe: plainText(a.Dedupe),
	}
	for name, d := range a.Retry {
		r.Retry[name] = plainText(d)
	}
	to := h.called(a.To)
	// Placing writes to the store and names the order: not under the lock.
	h.clk.AfterFunc(0, func() {
		answer, _, err := h.engine.PlaceOrder(r, "")
		h.mu.Lock()
		defer h.mu.Unlock()
		h.last(func() {
			if err != nil {
				done(nil, err)
				return
			}
			done(map[string]any{"order": answer.ID, "to": to}, nil)
		})
	})
	return nil
}

// plainText is a text, or a number as it is written.
func plainText(v any) string {
	if v == nil {
		return ""
	}
	raw, _ := json.Marshal(v) // it came as JSON
	return strings.Trim(string(raw), `"`)
}

// called is the party that an order rings; of a group its first member.
func (h *host) called(to string) string {
	if g, ok := h.cfg.Group(to); ok && len(g.Members) > 0 {
		to = g.Members[0]
	}
	if _, ok := h.cfg.User(to); ok {
		return userKey(to)
	}
	if strings.HasPrefix(to, "sip:") {
		return calleeKey(to)
	}
	return calleeKey(phone.Normalize(to, h.cfg.Project.Country))
}

// Defaults of how long a test waits.
const (
	hearWithin  = time.Minute
	endWithin   = time.Hour
	quietFor    = 5 * time.Second
	wordsLag    = 60 * time.Millisecond // from the word's end until it has travelled
	failureTail = 5                     // of what was heard, in a failure
)

// hears waits for words.
func (h *host) hears(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("hears", args)
	if err == nil {
		err = a.What.compile()
	}
	if err != nil {
		return err
	}
	within := a.Within.or(hearWithin)
	h.await(within, func(late bool) (any, error, bool) {
		text, ok := h.hasHeard(p, &a.What)
		switch ph := p.phone(); {
		case ok:
			return text, nil, true
		case ph != nil && ph.closed && a.Key.Order == "" && h.final(p):
			return nil, notHeard(p, &a.What, "before the call ended"), true
		case late:
			return nil, notHeard(p, &a.What, "within "+within.String()), true
		}
		return nil, nil, false
	}, done)
	return nil
}

// final tells that nobody can be heard by a party any more: it has called,
// and that call is over.
func (h *host) final(p *party) bool { return strings.HasPrefix(p.key, "in:") }

// hasHeard finds the next utterance that matches and whose words are over.
func (h *host) hasHeard(p *party, what *pattern) (string, bool) {
	now := h.clk.Now()
	for i := p.matched; i < len(p.heard); i++ {
		u := &p.heard[i]
		end, ok := what.find(u.text)
		if !ok {
			continue
		}
		due := u.began
		if u.spoken {
			due = due.Add(time.Duration(end) * PerCharacter)
		}
		switch {
		case !u.ended.IsZero() && u.ended.Add(wordsLag).Before(due):
			continue // it was cut off before the words
		case due.After(now) && u.ended.IsZero():
			h.after(due.Sub(now), h.poke)
			return "", false
		}
		p.matched = i + 1
		return u.text, true
	}
	return "", false
}

func notHeard(p *party, what *pattern, when string) error {
	e := fault.New(test.Failed, "%s was not heard %s", what, when)
	texts := p.texts()
	if len(texts) == 0 {
		return e.WithHint("nothing was heard at all")
	}
	old := ""
	if n := len(texts) - failureTail; n > 0 {
		texts, old = texts[n:], "… "
	}
	return e.WithHint("heard so far: %s«%s»", old, strings.Join(texts, "» «"))
}

// quiet fails when anything is heard.
func (h *host) quiet(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("hearsNothing", args)
	if err != nil {
		return err
	}
	n := len(p.heard)
	h.await(a.For.or(quietFor), func(late bool) (any, error, bool) {
		if len(p.heard) > n {
			return nil, fault.New(test.Failed, "«%s» was heard, silence was expected", p.heard[n].text), true
		}
		return nil, nil, late
	}, done)
	return nil
}

func (h *host) press(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("press", args)
	if err != nil {
		return err
	}
	ph, err := p.up("press")
	if err != nil {
		return err
	}
	if err := ph.session.SendDigits(a.Keys); err != nil {
		return err
	}
	ph.pressing = append(ph.pressing, h.settled(done))
	return nil
}

// settled is done, called when everything has settled.
func (h *host) settled(done func(any, error)) func(error) {
	return func(err error) { h.last(func() { done(nil, err) }) }
}

func (h *host) says(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("says", args)
	if err != nil {
		return err
	}
	ph, err := p.up("says")
	if err != nil {
		return err
	}
	audio, err := h.sound(a)
	if err != nil {
		return err
	}
	ph.plays[ph.play(audio)] = h.settled(done)
	return nil
}

func (h *host) silent(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("silent", args)
	if err != nil {
		return err
	}
	h.await(time.Duration(a.For), func(late bool) (any, error, bool) {
		ph := p.phone()
		return nil, nil, late || ph != nil && ph.closed
	}, done)
	return nil
}

func (h *host) hangup(args json.RawMessage, done func(any, error)) error {
	_, p, err := h.of("hangup", args)
	if err != nil {
		return err
	}
	if ph := p.phone(); ph != nil && !ph.closed {
		ph.hangUp()
	}
	h.settled(done)(nil)
	return nil
}

func (h *host) answered(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("answered", args)
	if err != nil {
		return err
	}
	within := a.Within.or(hearWithin)
	h.await(within, func(late bool) (any, error, bool) {
		ph := p.phone()
		switch {
		case ph != nil && ph.state == "answered":
			return nil, nil, true
		case ph != nil && ph.closed && !ph.outbound && a.Key.Order == "":
			return nil, fault.New(test.Failed, "the call ended with %d and was not answered", ph.code), true
		case late && ph != nil && ph.closed: // who is dialled may be dialled again, by a queue for one
			return nil, fault.New(test.Failed, "no call was answered within %s; the last one ended with %d", within, ph.code), true
		case late:
			return nil, fault.New(test.Failed, "the call was not answered within %s", within), true
		}
		return nil, nil, false
	}, done)
	return nil
}

func (h *host) rings(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("rings", args)
	if err != nil {
		return err
	}
	within := a.Within.or(hearWithin)
	h.await(within, func(late bool) (any, error, bool) {
		if ph := p.phone(); ph != nil && !ph.closed {
			return nil, nil, true
		}
		if late {
			return nil, fault.New(test.Failed, "nobody called %s within %s", strings.TrimPrefix(strings.TrimPrefix(p.key, "user:"), "callee:"), within), true
		}
		return nil, nil, false
	}, done)
	return nil
}

// endedVerb waits for the end of a call, or of the next attempt of an order.
func (h *host) endedVerb(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("ended", args)
	if err != nil {
		return err
	}
	within := a.Within.or(endWithin)
	h.await(within, func(late bool) (any, error, bool) {
		if l := h.nextRecord(a.Key, p); l != nil {
			l.taken = true
			return l.record, nil, true
		}
		ph := p.phone()
		switch {
		case ph != nil && ph.closed && a.Key.In == "" && a.Key.Order == "" && len(h.logs(a.Key, p)) == 0:
			return nil, nil, true // one end of a connect has no record
		case late:
			return nil, fault.New(test.Failed, "the call did not end within %s", within), true
		}
		return nil, nil, false
	}, done)
	return nil
}

// logs are the calls that a key stands for: one that came in, those of an
// order, or those to a number.
func (h *host) logs(k key, p *party) []*callLog {
	var out []*callLog
	for _, l := range h.calls {
		own := k.Order != "" && l.order == k.Order
		switch {
		case k.In != "":
			own = p.phone() != nil && p.phone().call == l
		case k.Callee != nil && *k.Callee != "":
			own = l.callee() == p.key
		}
		if own {
			out = append(out, l)
		}
	}
	return out
}

// nextRecord is the first end that ended has not told yet, else the last one
// if nothing follows it.
func (h *host) nextRecord(k key, p *party) *callLog {
	logs := h.logs(k, p)
	for _, l := range logs {
		if l.record != nil && !l.taken {
			return l
		}
	}
	if n := len(logs); n > 0 && logs[n-1].record != nil && logs[n-1].record.Final {
		return logs[n-1]
	}
	return nil
}

func (h *host) pass(args json.RawMessage, done func(any, error)) error {
	a, err := read[partyArgs]("clock.pass", args)
	if err != nil {
		return err
	}
	h.await(time.Duration(a.For), func(late bool) (any, error, bool) { return nil, nil, late }, done)
	return nil
}

func (h *host) to(args json.RawMessage, done func(any, error)) error {
	a, err := read[struct{ When string }]("clock.to", args)
	if err != nil {
		return err
	}
	at, err := moment(a.When, h.clk.Now(), h.zone)
	if err != nil {
		return err
	}
	h.await(at.Sub(h.clk.Now()), func(late bool) (any, error, bool) { return nil, nil, late }, done)
	return nil
}

// setSecret changes what scripts get from secrets.get; before the first call
// only, since a worker is told once.
func (s *stage) setSecret(name, value string) error {
	if len(s.calls) > 0 || s.callers > 0 {
		return fault.New(fault.Conflict, "secrets.set: calls have begun already").WithHint("set secrets at the beginning of the test")
	}
	for i := range s.cfg.Secrets {
		if s.cfg.Secrets[i].Name == name {
			s.cfg.Secrets[i].Value = config.Secret(value)
			return nil
		}
	}
	s.cfg.Secrets = append(s.cfg.Secrets, config.Entry{Name: name, Value: config.Secret(value)})
	return nil
}

// soundPath is a file of the test's folder; nothing outside of it is opened.
func (h *host) soundPath(name string) (string, error) {
	path := filepath.FromSlash(name)
	if !filepath.IsLocal(path) {
		return "", fault.New(fault.Denied, "says: %s is outside of the test's folder", name)
	}
	return filepath.Join(h.dir, path), nil
}
