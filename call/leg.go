package call

import (
	"errors"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/srtp"
	"github.com/loopstart/loopstart/sip"
)

// MaxTypedAhead is how many keys wait for the next gather. The oldest is lost.
const MaxTypedAhead = 64

// legState is how far a leg has come.
type legState uint8

const (
	legTrying legState = iota // nothing heard yet
	legRinging
	legEarly // audio before the answer
	legUp
	legEnded
)

func (s legState) String() string {
	return [...]string{"trying", "ringing", "early", "answered", "ended"}[s]
}

// Leg is one party of a call: its dialog and its media session.
type Leg struct {
	call     *Call
	name     string
	number   int // of the legs that the call has made
	outbound bool
	dialog   Dialog
	session  *media.Session
	place    Place
	route    Route
	news     RouteNews // of the dial on that route
	detours  detours
	sentAt   time.Time // when its INVITE left
	turn     *timer    // it waits for a turn of its trunk; no INVITE has left
	unsent   string    // why no INVITE has left

	state      legState
	began      time.Time
	rangAt     time.Time
	answeredAt time.Time
	endedAt    time.Time
	code       int
	reason     string
	remoteEnd  bool
	leaving    bool // we have ended it, the dialog's last event is still to come
	final      sip.Headers
	pause      time.Duration // which its refusal asks for

	lateOffer bool   // our 2xx carries the offer, the ACK the answer
	described []byte // our side, once it has been told
	untold    bool   // that our side has moved since; it is when the answer is acknowledged
	started   bool   // the session sends
	answering []Verb
	suite     string      // SRTP, as agreed; "" is plain
	policy    srtp.Policy // what was wished for
	bareTold  bool        // that it is plain has been noted
	held      bool        // by the other side
	holding   bool        // by us
	rfc4733   bool        // digits have come as RFC 4733 events
	told      bool        // onRing was called
	alerted   bool        // a 180 came
	moving
	twins []*Leg // further phones of who is called, which ring as well

	typed        string
	play         *playing
	heard        map[uint32]*playing // handed to the session, end not yet reported
	gather       *gathering
	rec          *recording                     // of the whole talk
	message      *recording                     // of record, which may run beside rec
	acknowledged bool                           // the ACK of our answer has come
	writing      map[*media.Recorder]*recording // files that are not complete yet
	talk         *talk
	room         *attending // the conference it is in
	// supervises is set on the leg of a supervisor.
	supervises *supervisor
	streams    map[uint32]*streaming // by the number of the script
	detectors  []*listening
	preanswer  *preanswer // of an outbound leg with early media
	reoffer    []func(code int, body []byte)
	transfer   *Verb
	referTo    string // where the transfer goes
	sendingID  *Verb
	onEnd      []func()
	onState    func(*Leg) // tells the connect that made this leg
}

// addLeg makes the next leg of the call.
func (c *Call) addLeg(outbound bool) (*Leg, error) {
	if len(c.legs) >= MaxLegs {
		c.deps.Counters.Refused.Add(1)
		return nil, fault.New(fault.Limit, "call legs: %d at once", MaxLegs).WithHint("end a leg before you dial the next")
	}
	l := &Leg{call: c, name: legName(c.made), number: c.made, outbound: outbound, began: c.clk.Now(), heard: map[uint32]*playing{}, writing: map[*media.Recorder]*recording{}}
	c.made++
	c.legs[l.name] = l
	if c.main == nil && !c.agentsFirst {
		c.main = l
	}
	return l, nil
}

// legName is a, b, … z, then l26, l27, …
func legName(n int) string {
	if n < 26 {
		return string(rune('a' + n))
	}
	return "l" + itoa(n)
}

// Name is the handle of the leg in timelines and scripts.
func (l *Leg) Name() string { return l.name }

// open makes the leg's media session.
func (l *Leg) open(o media.SessionOptions) error {
	l.policy, l.suite, l.bareTold = o.SRTP, "", false
	var s *media.Session
	o.Sink = func(ev media.Event) {
		l.call.post(func() { l.present().mediaOf(s, ev) })
	}
	s, err := l.call.deps.Open(o)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		s, err = l.openAnew(o, err)
	}
	if err != nil {
		return err
	}
	l.session = s
	return nil
}

// follower is a dialog that spares the call a goroutine: each event would wake
// two of them.
type follower interface {
	Follow(sink func(sip.Event), over func())
}

// follow forwards the dialog's events to the call's goroutine. On a virtual
// clock, where dialogs live in this process, the dialog has counted each event
// with clock.Busy; handed on, it counts in the mailbox. over is called when the
// dialog has ended.
func (l *Leg) follow(d Dialog, over func()) {
	l.dialog = d
	l.call.line.watch(l.name, d)
	l.call.shareDialogs()
	if f, ok := d.(follower); ok {
		f.Follow(func(ev sip.Event) { l.call.post(func() { l.present().sipEvent(d, ev) }) }, over)
		return
	}
	go func() {
		defer over()
		for ev := range d.Events() {
			l.call.post(func() { l.present().sipEvent(d, ev) })
			l.call.clk.Busy(-1)
		}
	}()
}

// present is the leg that has this one's dialog and session now.
func (l *Leg) present() *Leg {
	for l.heir != nil {
		l = l.heir
	}
	return l
}

// begin lets RTP flow; it may be called more than once.
func (l *Leg) begin() {
	if !l.started && l.session != nil {
		l.started = true
		l.session.Start()
	}
}

// alive reports whether verbs may still begin on the leg.
func (l *Leg) alive() bool {
	return l.state != legEnded && !l.leaving && !(l == l.call.main && l.call.ending)
}

func (l *Leg) note(kind, detail, source string) { l.call.note(kind, l.name, detail, source) }

// sipEvent takes one event of the leg's dialog. Events of an earlier dialog of
// a leg that went on to its next route are only noted.
func (l *Leg) sipEvent(d Dialog, ev sip.Event) {
	if ev.Kind == sip.Traced {
		dir := "→ "
		if ev.Remote {
			dir = "← "
		}
		l.call.line.Add(ev.At, "sip", l.name, dir+ev.Line, "")
		return
	}
	if d != l.dialog || l.state == legEnded {
		return
	}
	l.watch(ev)
	switch ev.Kind {
	case sip.Provisional:
		l.provisional(ev)
	case sip.Answered:
		l.answered(ev)
	case sip.Confirmed:
		l.acknowledged = true
		l.confirmed(ev)
	case sip.Offered:
		l.offered(ev)
	case sip.Reoffered:
		l.reoffered(ev)
	case sip.Info:
		l.info(ev)
	case sip.Messaged:
		l.messaged(ev)
	case sip.Sent:
		l.sent(ev.Code)
	case sip.Asked:
		l.asked(ev)
	case sip.Referred:
		l.referred(ev)
	case sip.Ended:
		l.ended(ev)
	}
}

// provisional handles a 1xx to our INVITE.
func (l *Leg) provisional(ev sip.Event) {
	if l.rangAt.IsZero() && ev.Code >= 180 {
		l.rangAt = ev.At
		if l == l.call.main {
			l.call.facts.rang = true
			l.call.deps.Observer.Ringing(l.call)
		}
	}
	if l.state < legRinging && ev.Code >= 180 {
		l.state = legRinging
	}
	l.alerted = l.alerted || ev.Code == 180
	if len(ev.Body) > 0 {
		if err := l.session.Accept(ev.Body); err != nil {
			l.note("media", "early media refused: "+err.Error(), "")
		} else {
			l.encryption()
			l.state = legEarly
			l.begin()
			l.hearEarly()
		}
	}
	l.changed()
}

// answered handles the 2xx to our INVITE.
func (l *Leg) answered(ev sip.Event) {
	if err := l.session.Accept(ev.Body); err != nil {
		l.unfit(err)
		return
	}
	l.encryption()
	l.up(ev.At)
}

// up marks the leg answered.
func (l *Leg) up(at time.Time) {
	l.state, l.answeredAt = legUp, at
	l.preanswer.over()
	l.begin()
	if l.session != nil {
		l.session.Answered()
	}
	l.note("state", "answered", "")
	l.call.shareDialogs()
	if l == l.call.main {
		l.call.mainUp()
	}
	l.changed()
}

// confirmed handles the ACK of our 2xx. One that owes the answer to our offer
// and has none leaves a call without media: it ends (RFC 3261 §13.2.1).
func (l *Leg) confirmed(ev sip.Event) {
	if l.lateOffer && (len(ev.Body) > 0 || l.session.Negotiated().Codec == nil) {
		if err := l.session.Accept(ev.Body); err != nil {
			l.note("media", "answer in ACK refused: "+err.Error(), "")
			l.reason = mediaReason(err)
			l.hangup()
			return
		}
		l.encryption()
		l.lateOffer = false
		l.begin()
	}
	waiting := l.answering
	l.answering = nil
	for _, v := range waiting {
		v.ok(nil)
	}
	if l.untold {
		l.untold = false
		l.tellAddress()
	}
}

// offered answers a re-INVITE or UPDATE of the other side.
func (l *Leg) offered(ev sip.Event) {
	if len(ev.Body) == 0 {
		l.lateOffer = true
		_ = l.dialog.Respond(ev.ID, 200, l.session.Offer())
		return
	}
	answer, err := l.session.Answer(ev.Body)
	if err != nil {
		l.note("media", "offer refused: "+err.Error(), "")
		_ = l.dialog.Respond(ev.ID, 488, nil)
		return
	}
	_ = l.dialog.Respond(ev.ID, 200, answer)
	l.encryption()
	held := l.session.Negotiated().OnHold
	if held == l.held {
		return
	}
	l.held = held
	l.note("state", map[bool]string{true: "held by the other side", false: "resumed by the other side"}[held], "")
	if l.talk != nil {
		l.talk.heldAnew()
	}
	l.call.notify("hold", map[string]any{"call": l.handle(), "held": held, "by": l.Party()})
}

// reoffered ends our own re-INVITE.
func (l *Leg) reoffered(ev sip.Event) {
	if len(l.reoffer) == 0 {
		return
	}
	next := l.reoffer[0]
	l.reoffer = l.reoffer[1:]
	if ev.Code/100 == 2 {
		if err := l.session.Accept(ev.Body); err != nil {
			l.note("media", "answer refused: "+err.Error(), "")
			if errors.Is(err, sdp.ErrUnsecured) {
				l.reason = reasonDowngrade
				l.hangup()
			}
		} else {
			l.encryption()
		}
	}
	next(ev.Code, ev.Body)
}

// reasonSilent is the end of a dial to which a trunk has said nothing at all:
// that is no person who does not answer.
const reasonSilent = "silent"

// reasonUnacknowledged is the end of a call whose caller never sent the ACK
// (RFC 3261 §13.3.1.4): nobody knows whether anything was heard.
const reasonUnacknowledged = "no ACK"

// ended is the last event of a dialog.
func (l *Leg) ended(ev sip.Event) {
	if l.partedBy(ev) {
		return
	}
	if l.state < legUp && l.outbound && (l.nextRoute(ev) || l.twinGoesOn(ev)) {
		return
	}
	if timeout := ev.Reason == sip.ReasonTimeout || l.reason == "timeout"; timeout && ev.Code == 408 && ev.Headers == nil && l.outbound && l.state == legTrying && l.route.Trunk != "" {
		l.reason = reasonSilent
	}
	if !l.outbound && l.state == legUp && !l.acknowledged && ev.Code == 408 && ev.Reason == sip.ReasonTimeout {
		l.reason, ev.Remote = reasonUnacknowledged, false
		if l == l.call.main {
			l.call.facts.unacknowledged, l.call.endedBy = true, "system"
		}
	}
	l.endedAt, l.remoteEnd = ev.At, ev.Remote
	if l.code == 0 {
		l.code = ev.Code
	}
	if l.reason == "" {
		l.reason = ev.Reason
	}
	l.final = ev.Headers
	if l.outbound && l.answeredAt.IsZero() && ev.Remote {
		if l.pause = asksPause(ev.Code, ev.Headers); l.pause > 0 {
			l.note("state", itoa(ev.Code)+" asks not to be tried again for "+l.pause.String(), "")
		}
	}
	l.close()
}

// hangup ends the leg from our side: BYE, CANCEL or a final answer.
func (l *Leg) hangup(h ...sip.Header) {
	if l.state == legEnded {
		return
	}
	if p := l.parted; p != nil { // its dialog is over already
		l.parted, l.handing = nil, nil
		l.ended(*p)
		return
	}
	if l.dialog != nil {
		l.leaving = true
		l.dialog.Hangup(h...)
		return
	}
	if l.turn != nil {
		l.turn.stop()
		l.turn = nil
		l.detours.free()
	}
	l.endedAt = l.call.clk.Now()
	l.close()
}

// close releases what the leg holds and settles what waits for it.
func (l *Leg) close() {
	if l.state == legEnded {
		return
	}
	wasUp := l.state == legUp
	l.state = legEnded
	l.note("state", l.endWords(wasUp), "")
	l.settleAll()
	if l.session != nil {
		l.call.measure(l)
		l.session.Close()
	}
	delete(l.call.legs, l.name)
	l.call.shareTargets()
	l.changed()
	for _, f := range l.onEnd {
		f()
	}
	l.onEnd = nil
	if l == l.call.main {
		l.call.mainEnded()
	} else {
		l.call.notify("end", map[string]any{"call": l.name, "endedBy": l.side(), "code": l.code})
		l.call.tryFinish()
	}
	if q := l.call.deps.Queues; q != nil {
		q.Freed()
	}
}

func (l *Leg) endWords(wasUp bool) string {
	who := "ended by us"
	if l.remoteEnd {
		who = "ended by the other side"
	}
	if !wasUp && l.code > 0 {
		return who + ", " + itoa(l.code) + " " + l.reason
	}
	return who + ", " + l.reason
}

// settleAll ends every verb that waits on this leg.
func (l *Leg) settleAll() {
	l.endTalk(l.side())
	if l.room != nil {
		l.room.leave(l.side())
	}
	l.endStreams(l.side())
	for _, r := range []*recording{l.message, l.rec} {
		if r != nil {
			r.finish("hangup")
		}
	}
	l.endDetectors()
	if g := l.gather; g != nil {
		if l == l.call.main && l.remoteEnd {
			l.call.facts.collecting = true
		}
		l.gather = nil
		g.timer.stop()
		if g.ear != nil {
			g.ear.stop()
		}
		g.verb.fail(errHangup())
	}
	if l.play != nil {
		l.play.cut()
	}
	for _, id := range slices.Sorted(maps.Keys(l.heard)) {
		l.heard[id].cut()
	}
	for _, v := range l.answering {
		v.fail(errHangup())
	}
	l.answering = nil
	for _, f := range l.reoffer {
		f(481, nil)
	}
	l.reoffer = nil
	if l.transfer != nil && l.taken && l.remoteEnd { // it went where it was sent, without a word
		l.transferred(202)
	}
	if v := l.transfer; v != nil {
		l.transfer = nil
		v.fail(errHangup())
	}
	if h := l.handing; h != nil {
		l.handing = nil
		h.wait.stop()
		l.call.CancelDial(1<<31 | l.call.made32)
	}
	for _, f := range l.sending {
		if f != nil {
			f(408)
		}
	}
	l.sending = nil
	if v := l.sendingID; v != nil {
		l.sendingID = nil
		v.fail(errHangup())
	}
}

// side is the leg in the words of a talk's endedBy.
func (l *Leg) side() string {
	switch {
	case !l.remoteEnd:
		return "script"
	case l == l.call.main:
		return "caller"
	}
	return "callee"
}

func (l *Leg) changed() {
	if l.onState != nil {
		l.onState(l)
	}
}

// AnsweredAt is when the leg was answered; zero before.
func (l *Leg) AnsweredAt() time.Time { return l.answeredAt }

// Began is when the leg was made.
func (l *Leg) Began() time.Time { return l.began }

// Party is who the leg talks to.
func (l *Leg) Party() Party {
	if l == l.call.main {
		return l.call.spec.Remote()
	}
	a := l.route.Outgoing.Target
	p := Party{User: l.place.Name, Name: l.place.Name, URI: a.URI}
	if uri, err := sip.ParseAddress(a.URI); err == nil {
		p.User, p.Host = uri.User, uri.Host
	}
	if len(l.place.Name) > 0 && l.place.Name[0] == '+' {
		p.E164 = l.place.Name
		if p.URI == "" {
			p.URI = "tel:" + p.E164
		}
	}
	return p
}

// shareTargets keeps the names of all legs where other goroutines may read
// them.
func (c *Call) shareTargets() {
	c.shareDialogs()
	names := make([]string, 0, len(c.legs))
	for _, l := range c.legs {
		if l.place.Name != "" {
			names = append(names, l.place.Name)
		}
	}
	c.targets.Store(&names)
}

// Rings tells whether a leg rings or talks with a place of that name. It is
// safe from any goroutine.
func (c *Call) Rings(name string) bool {
	names := c.targets.Load()
	return names != nil && slices.Contains(*names, name)
}
