package call

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/sip"
)

// The life of a call: an inbound dialog or an outbound dial makes the first
// leg, a script is attached, either side ends it, the record is written.

// Inbound makes the first leg of an incoming dialog. The script is attached
// with Attach, at once or after this.
func (c *Call) Inbound(d Dialog) {
	c.post(func() {
		l, _ := c.addLeg(false)
		l.dialog = d
		// At the very beginning, so that it stands before the INVITE that came a little before it.
		c.line.Add(c.started, "state", l.name, "incoming call from "+c.spec.From.Number()+" to "+c.spec.To.Number(), "")
		if err := l.open(c.spec.Session); err != nil {
			c.refuse(l, 503, err)
			l.follow(d, func() {})
			return
		}
		if offer := d.Offer(); len(offer) > 0 {
			if _, err := l.describe(); err != nil {
				c.refuse(l, 488, err)
			}
		}
		l.follow(d, func() {})
		c.limitDuration()
	})
}

func (c *Call) refuse(l *Leg, code int, err error) {
	l.note("media", err.Error(), "")
	l.code, l.reason, l.leaving = code, mediaReason(err), true
	c.endedBy, c.outcome = "system", Failed
	var why []sip.Header
	if code == 488 {
		why = append(why, warning(err))
	}
	_ = l.dialog.Reject(code, "", why...)
}

// warning tells the peer what of its offer could not be taken (RFC 3261
// §20.43): 302 is about the transport, 305 about the formats.
func warning(err error) sip.Header {
	code, text := "305", strings.TrimPrefix(err.Error(), "media: sdp: ")
	if strings.Contains(text, "transport") || errors.Is(err, sdp.ErrUnsecured) {
		code = "302"
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, text)
	return sip.Header{Name: "Warning", Value: code + ` loopstart "` + clean + `"`}
}

// Originate dials the first leg. When it answers, Observer.Answered attaches
// the script; until then the call has none.
func (c *Call) Originate(p Place) {
	c.post(func() {
		l, err := c.dialPlace(p)
		for err != nil && len(p.Together) > 0 {
			next := p.Together[0]
			next.Together = p.Together[1:]
			p = next
			l, err = c.dialPlace(p)
		}
		if err != nil {
			c.main, _ = c.addLegOnce()
			c.main.note("state", "not dialled: "+err.Error(), "")
			c.main.code, c.main.reason = 503, err.Error()
			c.main.endedAt = c.clk.Now()
			c.endedBy = "system"
			c.main.close()
			return
		}
		limit := p.Each
		if limit <= 0 {
			limit = c.spec.RingTimeout
		}
		ring := c.after(limit, func() {
			if l.state < legUp {
				l.reason = "timeout"
				c.endedBy = "system"
				l.hangup()
			}
		})
		l.onState = func(l *Leg) {
			if l.state >= legUp {
				ring.stop()
			}
			if l.state == legUp {
				l.dismissTwins(nil)
			}
		}
		l.ringTwins(p.Together)
	})
}

func (c *Call) addLegOnce() (*Leg, error) {
	if c.main != nil {
		return c.main, nil
	}
	return c.addLeg(true)
}

// dialPlace makes a leg and sends its first INVITE.
func (c *Call) dialPlace(p Place) (*Leg, error) {
	if len(p.Routes) == 0 {
		return nil, fault.New(fault.Unavailable, "%s cannot be reached", p.Name)
	}
	l, err := c.addLeg(true)
	if err != nil {
		return nil, err
	}
	l.place = p
	c.shareTargets()
	for {
		err = l.dial()
		if err == nil {
			return l, nil
		}
		if len(l.place.Routes) == 0 {
			delete(c.legs, l.name)
			if c.main == l {
				c.main = nil
			}
			return nil, err
		}
	}
}

// dial takes the next route of the leg's place.
func (l *Leg) dial() error {
	l.route = l.place.Routes[0]
	l.place.Routes = l.place.Routes[1:]
	if l.detours.seen == nil {
		l.detours.seen = map[sip.Target]bool{}
	}
	l.detours.seen[l.route.Outgoing.Target] = true
	l.news, l.sentAt = RouteNews{}, l.call.clk.Now()
	if err := l.open(l.route.Media); err != nil {
		return err
	}
	free, wait, err := l.line()
	if err == nil && wait <= 0 {
		err = l.invite()
	}
	if err != nil {
		free()
		l.session.Close()
		l.session = nil
		return err
	}
	words := "dialling " + l.place.Name
	if l.route.Trunk != "" {
		words += " through " + l.route.Trunk
	}
	l.note("state", words, "")
	if l == l.call.main && l.route.Trunk != "" {
		l.call.trunk = l.route.Trunk
	}
	if from := l.route.From; l == l.call.main && from != "" {
		l.call.presented.Store(&from)
	}
	if wait > 0 {
		l.dialog = nil
		l.note("state", "waits "+wait.Round(time.Millisecond).String()+" for its turn on "+l.route.Trunk, "")
		l.turn = l.call.after(wait, l.turned)
	}
	return nil
}

// line takes a line of the route's trunk. It is free when the dialog is over.
func (l *Leg) line() (free func(), wait time.Duration, err error) {
	l.detours.free = func() {}
	if l.route.Seize == nil {
		return l.detours.free, 0, nil
	}
	if free, wait, err = l.route.Seize(); err != nil {
		return l.detours.free, 0, err
	}
	l.detours.free = sync.OnceFunc(free)
	return l.detours.free, wait, nil
}

// turned sends the INVITE that has waited, or goes on to the next route.
func (l *Leg) turned() {
	l.turn, l.sentAt = nil, l.call.clk.Now()
	err := l.invite()
	if err == nil {
		return
	}
	l.note("state", "not dialled: "+err.Error(), "")
	if l.unsent = err.Error(); !l.again() {
		l.code = 503
		l.hangup()
	}
}

// invite sends the INVITE and follows its dialog.
func (l *Leg) invite() error {
	out := l.route.Outgoing
	out.MaxForwards = l.call.maxForwards()
	out.Body = l.session.Offer()
	if len(l.place.Routes) > 0 {
		out.Silence = routeSilence
	}
	dial := l.call.deps.Dialer.Dial
	if l.route.Dial != nil {
		dial = l.route.Dial
	}
	d, err := dial(out)
	if err != nil {
		return err
	}
	l.follow(d, l.detours.free)
	return nil
}

// routeSilence is how long a trunk may say nothing at all while there is
// another one: Timer B alone, 32 s, is longer than most people let it ring.
const routeSilence = 8 * time.Second

// nextRoute tries the place's next trunk after a failure that says nothing
// about the callee: transport, no answer at all, or 5xx before ringing.
func (l *Leg) nextRoute(ev sip.Event) bool {
	if l.insist(ev) || l.redirected(ev) || l.nextDetour(ev) {
		return true
	}
	silent := ev.Code == 0 || ev.Code == 408 && ev.Headers == nil // one that is answered with 408 works
	if len(l.place.Routes) == 0 || l.state >= legRinging || l.reason != "" || !(silent || ev.Code/100 == 5) {
		return false
	}
	l.note("state", "trunk "+l.route.Trunk+": "+itoa(ev.Code)+" "+ev.Reason+", trying the next", "")
	return l.again()
}

// Undialled ends a call whose place could not be found, before any INVITE.
func (c *Call) Undialled(err error) {
	c.post(func() {
		c.note("state", "", "not dialled: "+err.Error(), "")
		c.undialled = err.Error()
		c.endedBy, c.ending, c.outcome = "system", true, NotCalled
		c.tryFinish()
	})
}

// Attach gives the call its script. A call that is over tells the script so.
func (c *Call) Attach(s Script) {
	c.attaching.Store(&s)
	posted := c.post(func() {
		if c.attaching.Swap(nil) == nil {
			return
		}
		c.script, c.scripted = s, true
		if c.ending {
			s.End("hangup")
		}
	})
	// A post that was taken may still be dropped; close looks after that.
	if !posted && c.attaching.Swap(nil) != nil {
		s.End("hangup")
	}
}

// mainUp is called when the first leg is answered.
func (c *Call) mainUp() {
	if c.facts.answered {
		return
	}
	c.facts.answered = true
	at := c.main.answeredAt
	c.answeredAt.Store(&at)
	c.notify("state", map[string]any{"call": c.main.name, "state": "answered", "answeredAt": c.main.answeredAt})
	if c.spec.Record && c.main.rec == nil {
		if _, err := c.main.startRecording(c.recordingID(), "", media.RecorderOptions{Mixed: true, Stereo: c.spec.Stereo}, ""); err != nil {
			c.main.note("recording", err.Error(), "")
		}
	}
	if c.spec.Outbound {
		c.limitDuration()
	}
	c.watchAir()
	c.deps.Observer.Answered(c)
}

func (c *Call) limitDuration() {
	if c.spec.MaxDuration > 0 && c.duration == nil {
		c.duration = c.after(c.spec.MaxDuration, func() {
			c.note("limit", "", "call_duration "+c.spec.MaxDuration.String()+" reached", "")
			c.hangup("system", 480)
		})
	}
}

// Hangup ends the call from outside: the API, a drain, the operator.
func (c *Call) Hangup(by string) { c.post(func() { c.hangup(by, 480) }) }

// hangup ends the first leg; everything else follows from its end.
func (c *Call) hangup(by string, code int) {
	if c.ending {
		return
	}
	if c.endedBy == "" {
		c.endedBy = by
	}
	l := c.main
	if l == nil {
		c.ending = true
		if c.agentsFirst && c.outcome == "" {
			c.outcome = NotCalled // its party was not dialled yet
		}
		for _, agent := range c.legsInOrder() {
			agent.hangup()
		}
		c.tryFinish()
		return
	}
	if !l.outbound && l.state < legUp && l.dialog != nil {
		if code < 300 {
			code = 480
		}
		if l.code == 0 { // else the script has rejected the call already
			l.code = code
		}
		l.leaving = true
		_ = l.dialog.Reject(code, "")
		return
	}
	l.hangup()
}

// mainEnded ends the rest of the call: other legs now, the script after its
// grace.
func (c *Call) mainEnded() {
	c.ending = true
	c.left.Store(true)
	c.duration.stop()
	if c.endedBy == "" {
		c.endedBy = map[bool]string{true: "callee", false: "caller"}[c.spec.Outbound]
		if !c.main.remoteEnd {
			c.endedBy = "script"
		}
	}
	c.notify("end", map[string]any{"call": c.main.name, "endedBy": c.endedBy, "code": c.main.code})
	for _, l := range c.legsInOrder() {
		l.hangup()
	}
	if c.fallback != nil {
		c.fallback.over()
	}
	if c.script != nil && !c.done {
		c.script.End("hangup")
	}
	// The supervisor ends a script after its grace; this is the second line.
	c.grace = c.after(scriptPatience, c.finish)
	c.tryFinish()
}

// scriptPatience is when a call gives up waiting for its script's end.
const scriptPatience = 15 * time.Second

// ScriptEnded tells that the script has returned (err nil) or failed.
func (c *Call) ScriptEnded(err error) {
	c.post(func() {
		if c.done {
			return
		}
		c.done = true
		switch {
		case err == nil || fault.CodeOf(err) == fault.Hangup:
			c.facts.scriptEnded = !c.ending && err == nil
			c.note("script", "", "ended", "")
			if !c.ending {
				c.hangup("script", 480)
			}
		default:
			c.scriptFailed(err)
		}
		c.tryFinish()
	})
}

// tryFinish writes the record once all legs and the script are gone, and the
// media session of the first leg has told what was heard and recorded.
func (c *Call) tryFinish() {
	pending := c.main != nil && len(c.main.heard)+len(c.main.writing) > 0
	if c.ending && len(c.legs) == 0 && !pending && (!c.scripted || c.done) {
		c.finish()
	}
}

func (c *Call) finish() {
	if c.finished {
		return
	}
	c.finished = true
	c.grace.stop()
	c.deps.Counters.Ended.Add(1)
	r := c.record()
	c.note("state", "", "outcome "+string(r.Outcome), "")
	c.deps.Observer.Ended(c, r)
}

// Snapshot computes the record of a running call; ok is false after the end.
func (c *Call) Snapshot() (r Record, ok bool) {
	done := make(chan Record, 1)
	if !c.post(func() {
		r := c.record()
		r.Final, r.Outcome, r.Cause, r.EndedAt = false, "", "", time.Time{}
		done <- r
	}) {
		return Record{}, false
	}
	select {
	case r = <-done:
		return r, true
	case <-c.gone:
	}
	select {
	case r = <-done:
		return r, true
	default:
		return Record{}, false
	}
}
