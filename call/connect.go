package call

import (
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

// ConnectOptions are the options of connect, after defaults.
type ConnectOptions struct {
	Targets     []DialRequest
	Delays      []time.Duration // per target
	Serial      bool
	Timeout     time.Duration
	Waiting     Waiting // of an answered caller; where it is silent the callee's own ringback is passed
	Whisper     []Part  // heard by the callee before the talk
	AcceptKey   string  // the callee must press it
	AcceptText  []Part
	MaxDuration time.Duration
	Record      bool
	HangupOn    string
	Keys        map[string]uint32 // digits → callback
	OnRing      uint32            // callbacks, 0 for none
	OnAnswer    uint32
}

// ConnectResult is what connect resolves with.
type ConnectResult struct {
	Status     string      `json:"status"` // completed, busy, no_answer, rejected, failed, abandoned
	Code       int         `json:"code"`
	AnsweredBy string      `json:"answeredBy,omitempty"`
	RingMs     int64       `json:"ringMs"`
	TalkMs     int64       `json:"talkMs"`
	EndedBy    string      `json:"endedBy,omitempty"`
	Legs       []LegResult `json:"legs"`
}

// LegResult is one rung target of a connect.
type LegResult struct {
	Target string `json:"target"`
	Status string `json:"status"`
	Code   int    `json:"code"`
	RingMs int64  `json:"ringMs"`
	Early  string `json:"early,omitempty"`  // heard before the answer: ringback, busy, reorder, sit, voice, silence
	Reason string `json:"reason,omitempty"` // why it was not dialled at all
}

// connecting is the one connect of a call: ringing, then talking.
type connecting struct {
	caller  *Leg
	opts    ConnectOptions
	verb    Verb
	began   time.Time
	waiting []Place // not rung yet, by rank
	ringing map[*Leg]*timer
	delayed []*timer
	results []LegResult
	winner  *Leg
	limit   *timer
	settled bool
	rings   bool      // our ring tone plays to the caller
	line    *queueing // who waits in line; nil for a plain connect
}

// Connect rings targets and talks with the first that accepts.
func (l *Leg) Connect(o ConnectOptions, v Verb) {
	c := l.call
	switch {
	case !l.alive():
		v.fail(errHangup())
		return
	case l.room != nil:
		v.fail(fault.New(fault.Conflict, "this call is in the conference %q", l.room.opts.Name).WithHint("dial() somebody and join them, or leave it first"))
		return
	case c.connect != nil:
		v.fail(fault.New(fault.Conflict, "another connect is under way on this call").WithHint("await it first"))
		return
	case l.outbound && l.state != legUp:
		v.fail(fault.New(fault.Conflict, "the other party has not answered yet"))
		return
	}
	places, err := c.resolve(o)
	if err != nil {
		v.fail(err)
		return
	}
	c.facts.connectTried = true
	k := &connecting{caller: l, opts: o, verb: v, began: c.clk.Now(), waiting: places, ringing: map[*Leg]*timer{}}
	c.connect = k
	l.onEnd = append(l.onEnd, func() { k.abandon() })
	if music := o.Waiting.sounds(); l.state == legUp && len(music) > 0 && len(places) > 0 {
		l.speak(music, PromptOptions{Loop: true}, v.At, func(_ PromptResult, err error) { l.unheard("music of connect", v.At, err) })
	}
	k.next()
}

// relayed adds the Identity headers of the caller's INVITE (RFC 8224): who the
// call is passed on to may check the signature, which we neither make nor break.
// A script that gives one of its own replaces them.
func (c *Call) relayed(given []sip.Header) []sip.Header {
	if c.spec.Outbound || sip.Headers(given).Get("Identity") != "" {
		return given
	}
	out := slices.Clone(given)
	for _, h := range c.spec.Headers {
		if strings.EqualFold(h[0], "Identity") || strings.EqualFold(h[0], "y") {
			out = append(out, sip.Header{Name: "Identity", Value: h[1]})
		}
	}
	if sip.CheckHeaders(out) != nil {
		return given
	}
	return out
}

// resolve finds the places of all targets and gives them their rank and delay.
func (c *Call) resolve(o ConnectOptions) ([]Place, error) {
	var all []Place
	rank := 0
	for i, t := range o.Targets {
		t.Passed = !c.spec.Outbound && c.spec.Trunk != ""
		t.Headers = c.relayed(t.Headers)
		places, err := c.deps.Dialer.Resolve(t)
		if err != nil {
			return nil, err
		}
		top := rank
		for _, p := range places {
			if o.Serial {
				p.Rank += rank
			}
			top = max(top, p.Rank)
			if i < len(o.Delays) {
				p.Delay += o.Delays[i]
			}
			if p.Each == 0 {
				p.Each = t.Timeout
			}
			all = append(all, p)
		}
		if o.Serial {
			rank = top + 1
		}
	}
	return all, nil
}

// next rings the places of the lowest rank that is left.
func (k *connecting) next() {
	if k.line != nil || k.settled || k.winner != nil || len(k.ringing) > 0 || k.pendingDelays() {
		return
	}
	if len(k.waiting) == 0 {
		k.nobody()
		return
	}
	rank := k.waiting[0].Rank
	for _, p := range k.waiting {
		rank = min(rank, p.Rank)
	}
	var now, later []Place
	for _, p := range k.waiting {
		if p.Rank == rank {
			now = append(now, p)
		} else {
			later = append(later, p)
		}
	}
	k.waiting = later
	for _, p := range now {
		k.ringAfter(p)
	}
	k.next()
}

func (k *connecting) pendingDelays() bool {
	for _, t := range k.delayed {
		if !t.dead {
			return true
		}
	}
	return false
}

func (k *connecting) ringAfter(p Place) {
	if p.Delay <= 0 {
		k.ring(p)
		return
	}
	k.delayed = append(k.delayed, k.caller.call.after(p.Delay, func() {
		k.ring(p)
		k.next()
	}))
}

// ring dials one place.
func (k *connecting) ring(p Place) (rings bool) {
	c := k.caller.call
	l, err := c.dialPlace(p)
	if err != nil {
		c.note("state", k.caller.name, "not dialled: "+p.Name+": "+err.Error(), k.verb.At)
		k.result(LegResult{Target: p.Name, Status: "failed", Code: 503, Reason: err.Error()})
		return false
	}
	limit := p.Each
	if limit <= 0 {
		limit = k.opts.Timeout
	}
	k.ringing[l] = c.after(limit, func() {
		l.reason = "timeout"
		l.hangup()
	})
	l.onState, l.hidden = k.legChanged, true
	return true
}

// MaxRung is how many rung legs the result of one connect tells of; the latest
// stay.
const MaxRung = 100

func (k *connecting) result(r LegResult) {
	if k.results = append(k.results, r); len(k.results) > MaxRung {
		k.results = k.results[1:]
	}
}

// legChanged follows a rung leg.
func (k *connecting) legChanged(l *Leg) {
	if k.settled {
		return
	}
	switch l.state {
	case legRinging, legEarly:
		k.ringHeard(l)
	case legUp:
		k.ringing[l].stop()
		k.answered(l)
	case legEnded:
		k.gone(l)
	}
}

// ringHeard relays ringing and early media to the caller.
func (k *connecting) ringHeard(l *Leg) {
	c := k.caller.call
	if !l.told {
		l.told = true
		c.callback(k.opts.OnRing, map[string]any{"target": l.place.Name, "code": 180})
	}
	switch {
	case l.route.Early == EarlyRingback:
		k.ringback()
		return
	case l.state == legRinging || l.route.Early == EarlyIgnore:
		if k.caller.state < legRinging && (l.route.Early == EarlyPass || l.alerted) {
			k.caller.Ring(Verb{At: k.verb.At, Reply: func(any, error) {}})
		}
		return
	}
	wants := k.caller.state != legUp || k.opts.Waiting.Silent
	if !wants || len(k.ringing) > 1 || k.caller.talk != nil {
		return
	}
	if k.caller.early(k.verb.At) == nil {
		k.caller.interrupt()
		c.join(k.caller, l, nil)
	}
}

// Accept is how a callee takes a call, the option accept of connect and queues.
type Accept struct {
	Key    string `json:"key"`
	Prompt []Part `json:"prompt"`
}

// Ask makes the callees of o accept first; nil asks nothing.
func (a *Accept) Ask(o *ConnectOptions) {
	if a != nil {
		o.AcceptKey, o.AcceptText = a.Key, a.Prompt
	}
}

// ringback lets the caller hear our own ring tone until somebody answers. One
// who has been answered already has the music of the connect.
func (k *connecting) ringback() {
	if k.line != nil || k.rings || k.caller.state == legUp && !k.opts.Waiting.Silent || k.caller.talk != nil {
		return
	}
	if k.rings = k.caller.early(k.verb.At) == nil; k.rings {
		k.caller.speak([]Part{{Play: RingTone}}, PromptOptions{Loop: true}, k.verb.At, func(PromptResult, error) {})
	}
}

// answered starts the callee's private part: whisper and acceptance.
func (k *connecting) answered(l *Leg) {
	if k.winner != nil {
		l.hangup()
		return
	}
	if k.line != nil {
		k.line.picked(l)
	}
	k.caller.call.callback(k.opts.OnAnswer, map[string]any{"target": l.place.Name, "code": 200})
	if t := l.talk; t != nil {
		t.split()
	}
	l.brief(&k.opts, k.verb.At, func() { k.win(l) })
}

const acceptTimeout = 10 * time.Second

// brief tells a callee what the call is about, and asks whether it takes it;
// takes runs when it does, and who does not is hung up.
func (l *Leg) brief(o *ConnectOptions, at string, takes func()) {
	private := append(append([]Part(nil), o.Whisper...), o.AcceptText...)
	switch {
	case o.AcceptKey != "":
		l.collect(GatherOptions{
			Prompt: private, Choices: []string{o.AcceptKey}, Attempts: 2, Timeout: acceptTimeout, InterDigit: DefaultInterDigit,
			PromptOptions: PromptOptions{BargeIn: true},
		}, Verb{At: at, Reply: func(value any, err error) {
			switch r, ok := value.(MenuResult); {
			case l.state != legUp:
			case err == nil && ok && r.Reason == "key":
				takes()
			default:
				l.code, l.reason = 603, "not accepted"
				l.hangup()
			}
		}})
	case len(private) == 0:
		takes()
	default:
		l.speak(private, PromptOptions{}, at, func(_ PromptResult, err error) {
			if err != nil {
				l.note("prompt", "whisper: "+err.Error(), at)
			}
			if l.state == legUp {
				takes()
			}
		})
	}
}

// win makes l the callee and ends the others.
func (k *connecting) win(l *Leg) {
	if k.settled || k.winner != nil {
		l.hangup()
		return
	}
	k.winner = l
	k.dismiss(l)
	k.caller.audible(true, Verb{At: k.verb.At, Reply: func(_ any, err error) {
		if err != nil {
			l.hangup()
		}
	}}, func() { k.talk(l) })
}

// dismiss ends every other leg that rings and everything that would ring.
func (k *connecting) dismiss(winner *Leg) {
	k.waiting = nil
	for _, t := range k.delayed {
		t.stop()
	}
	for _, other := range inOrder(k.ringing) {
		if k.ringing[other].stop(); other != winner {
			other.reason = "cancelled"
			other.hangup(answeredElsewhere())
		}
	}
}

// talk bridges caller and callee.
func (k *connecting) talk(l *Leg) {
	c := k.caller.call
	if k.settled || l.state != legUp {
		return
	}
	if k.line != nil {
		k.line.talks(l)
	}
	k.caller.interrupt()
	k.caller.session.StopPlay()
	c.facts.talked = true
	if k.opts.MaxDuration > 0 {
		k.limit = c.after(k.opts.MaxDuration, func() {
			l.note("state", "talk limit reached", k.verb.At)
			l.hangup()
		})
	}
	if k.opts.Record {
		c.recordTalk(k.caller, true)
	}
	t := c.join(k.caller, l, func(endedBy string, ms int64) { k.over(l, endedBy, ms) })
	t.watch.hangupOn, t.watch.keys = k.opts.HangupOn, k.opts.Keys
	t.hangupLeg = l
	t.tunes(k.opts.Waiting.Music)
	if k.line != nil {
		t.tunes(k.line.opts.Waiting.Music)
		t.moved = k.line.moved
	}
}

// over ends the talk: the callee goes, the script goes on.
func (k *connecting) over(l *Leg, endedBy string, ms int64) {
	c := k.caller.call
	if k.opts.Record {
		c.recordTalk(k.caller, false)
	}
	began := k.began
	switch {
	case k.line != nil:
		began = l.began
	case c.deps.Talked != nil:
		c.deps.Talked(l.place.Name)
	}
	k.result(k.legResult(l, "completed"))
	k.settle(ConnectResult{
		Status: "completed", Code: 200, AnsweredBy: l.place.Name, EndedBy: endedBy, TalkMs: ms,
		RingMs: l.answeredAt.Sub(began).Milliseconds(),
	})
	l.hangup()
}

// declined tells that the party has refused for all of its phones: 6xx, as
// against 486, which speaks for one of them (RFC 3261 §21.6).
func (l *Leg) declined() bool {
	return l.remoteEnd && l.code >= 600 && l.code != 606 && l.place.Name != ""
}

// cannotTake tells that a phone could not take what we offered, a codec or the
// encryption: nobody has declined.
func (l *Leg) cannotTake() bool {
	return l.remoteEnd && (l.code == 488 || l.code == 606 || l.code == 415)
}

// ringEnd words how ringing a place has ended, of whose phones l was the last.
// refused is the status with which the party has declined on one of them, 0 when
// it has not.
func (l *Leg) ringEnd(status string, refused int) (string, int) {
	switch {
	case refused > 0:
		return string(Unanswered(refused, "", true)), refused
	case l.cannotTake():
		return "failed", l.code
	}
	return status, l.code
}

// hush ends the phones of a place that ring on.
func (k *connecting) hush(place string) {
	for _, other := range inOrder(k.ringing) {
		if other.place.Name == place && other != k.winner && other.state < legUp {
			k.ringing[other].stop()
			other.reason = "cancelled"
			other.hangup()
		}
	}
}

// gone handles a leg that ended without a talk.
func (k *connecting) gone(l *Leg) {
	if t := k.ringing[l]; t != nil {
		t.stop()
		delete(k.ringing, l)
	}
	if l == k.winner {
		if l.talk != nil {
			return
		}
		k.winner = nil // it left before the bridge stood
	}
	status := legStatus(l)
	k.result(k.legResult(l, status))
	switch {
	case k.line != nil:
		k.line.gone(l, status)
	case l.declined():
		k.hush(l.place.Name)
	}
	k.next()
	if left := inOrder(k.ringing); len(left) == 1 && left[0].state == legEarly && !k.settled && k.winner == nil {
		k.ringHeard(left[0]) // alone now: what its network says is heard
	}
}

func (k *connecting) legResult(l *Leg, status string) LegResult {
	r := LegResult{Target: l.place.Name, Status: status, Code: l.code, Early: l.preanswer.word(), Reason: l.unsent}
	switch {
	case status == "completed":
		r.Code, r.RingMs = 200, l.answeredAt.Sub(l.began).Milliseconds()
	default:
		r.RingMs = l.call.clk.Now().Sub(l.began).Milliseconds()
	}
	return r
}

// legStatus is how a leg without a talk ended, in the words of connect.
func legStatus(l *Leg) string {
	if l.reason == "cancelled" {
		return "cancelled"
	}
	switch o := Unanswered(l.code, l.reason, !l.rangAt.IsZero()); o {
	case Busy, NoAnswer, Rejected:
		return string(o)
	}
	return "failed"
}

// nobody settles a connect that no target took.
func (k *connecting) nobody() {
	best, code := "no_answer", 480
	rank := map[string]int{"cancelled": 0, "failed": 1, "rejected": 2, "no_answer": 3, "busy": 4}
	for i, r := range k.results {
		if i == 0 || rank[r.Status] > rank[best] {
			best, code = r.Status, r.Code
		}
	}
	if best == "cancelled" {
		best = "no_answer"
	}
	if best == "no_answer" && code == 487 {
		code = 480 // 487 only answers our own CANCEL; whoever rings us has cancelled nothing
	}
	k.settle(ConnectResult{Status: best, Code: code, RingMs: k.caller.call.clk.Now().Sub(k.began).Milliseconds()})
}

// abandon ends a connect whose caller has left.
func (k *connecting) abandon() {
	if k.settled {
		return
	}
	if t := k.caller.talk; t != nil && k.winner != nil {
		return // the talk's own end settles it
	}
	ms := k.caller.call.clk.Now().Sub(k.began).Milliseconds()
	legs := inOrder(k.ringing)
	for _, l := range legs {
		r := k.legResult(l, "cancelled")
		r.Code = 487
		k.result(r)
	}
	if k.line != nil {
		ms = 0
	}
	k.settle(ConnectResult{Status: "abandoned", Code: 487, EndedBy: k.caller.side(), RingMs: ms})
	for _, l := range legs {
		l.hangup()
	}
}

// Cancel stops a connect that still rings, for {signal}.
func (k *connecting) cancel() {
	if k.line != nil && k.winner == nil {
		k.line.leave("abandoned", 487)
		return
	}
	if !k.settled {
		k.dismiss(nil)
		if k.winner != nil {
			k.winner.hangup()
		}
		k.next() // nobody rang yet: no leg's end settles it
	}
}

func (k *connecting) settle(r ConnectResult) {
	if k.settled {
		return
	}
	k.settled = true
	k.limit.stop()
	if k.line != nil {
		k.line.over(r.Status)
	}
	c := k.caller.call
	if c.connect == k {
		c.connect = nil
	}
	for l, t := range k.ringing {
		t.stop()
		l.onState = nil
	}
	if k.caller.alive() && k.caller.play != nil && k.caller.play.loop {
		k.caller.play.stop()
	}
	if r.Legs = k.results; r.Legs == nil {
		r.Legs = []LegResult{}
	}
	c.note("connect", k.caller.name, r.Status+" "+itoa(r.Code), k.verb.At)
	k.verb.ok(r)
}
