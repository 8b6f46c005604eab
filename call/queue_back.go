package call

import (
	"time"

	"github.com/loopstart/loopstart/call/queue"
)

// BackOptions say how somebody who has kept a place is called back.
type BackOptions struct {
	Place  *queue.Place
	Person func() (Place, error) // how the person is reached, asked when an agent is there
	Agent  DialRequest           // as every agent is dialled; the target is not set
	Ring   time.Duration         // how long the person's phone may ring
	// Intent makes durable that the person is dialled now; done comes on any
	// goroutine, with an error when it could not be.
	Intent  func(done func(error))
	Connect ConnectOptions // whisper, acceptance, and the talk
}

// callingBack is a call that begins with an agent: when one has accepted, the
// person is dialled, who becomes the party of the call, and both are bridged.
type callingBack struct {
	call    *Call
	opts    BackOptions
	ringing map[*Leg]*timer
	phones  map[string]int
	refused int  // the status with which the agent has declined on one of its phones
	agent   *Leg // who has accepted
	wanted  bool // the intent is on its way to the disk
	person  *Leg
	talked  bool
}

// CallBack makes this an outbound call that waits for agents: Ring and Stop
// follow from the place. The record's outcome is the person's.
func (c *Call) CallBack(o BackOptions) {
	c.post(func() {
		c.agentsFirst = true
		c.back = &callingBack{call: c, opts: o, ringing: map[*Leg]*timer{}, phones: map[string]int{}}
		c.queue = &QueueFacts{Group: o.Place.Request().Group, Status: "waiting"}
	})
}

// BackRing rings an agent for a call that CallBack has begun.
func (c *Call) BackRing(agent string, each time.Duration, why string) {
	c.post(func() { c.back.ring(agent, each, why) })
}

// BackStop stops ringing an agent.
func (c *Call) BackStop(agent string) {
	c.post(func() {
		for _, l := range inOrder(c.back.ringing) {
			if l.place.Name == agent && l != c.back.agent {
				l.reason = "cancelled"
				l.hangup()
			}
		}
	})
}

func (b *callingBack) note(words string) { b.call.note("queue", "", words, "") }

func (b *callingBack) ring(agent string, each time.Duration, why string) {
	c := b.call
	switch {
	case c.ending:
		b.opts.Place.Leave("over")
		return
	case b.agent != nil:
		return // the talk frees the agent
	}
	b.note("calling back: ringing " + agent + ": " + why)
	r := b.opts.Agent
	r.Target, r.Timeout = agent, each
	places, err := c.deps.Queues.Phones(agent, r)
	if err != nil {
		b.note(agent + ": " + err.Error())
	}
	for _, p := range places {
		p.Name = agent
		l, err := c.dialPlace(p)
		if err != nil {
			b.note(agent + ": " + err.Error())
			continue
		}
		b.phones[agent]++
		b.ringing[l] = c.after(each, func() {
			l.reason = "timeout"
			l.hangup()
		})
		l.onState = b.changed
	}
	if b.phones[agent] == 0 {
		b.opts.Place.Failed(agent, "failed")
	}
}

// changed follows an agent's phone.
func (b *callingBack) changed(l *Leg) {
	switch l.state {
	case legUp:
		b.ringing[l].stop()
		b.picked(l)
	case legEnded:
		b.gone(l)
	}
}

// picked tells the agent what it is about, and asks whether it takes it.
func (b *callingBack) picked(l *Leg) {
	if b.agent != nil {
		l.hangup()
		return
	}
	for _, other := range inOrder(b.ringing) {
		if other != l && other.place.Name == l.place.Name {
			other.reason = "cancelled"
			other.hangup()
		}
	}
	b.opts.Place.Answered(l.place.Name)
	l.brief(&b.opts.Connect, "", func() { b.accepted(l) })
}

// accepted writes down that the person is dialled now, and then does it.
func (b *callingBack) accepted(l *Leg) {
	if b.agent != nil {
		l.hangup()
		return
	}
	b.agent = l
	for _, other := range inOrder(b.ringing) {
		if other != l {
			other.reason = "cancelled"
			other.hangup()
		}
	}
	l.speak([]Part{{Play: RingTone}}, PromptOptions{Loop: true}, "", func(PromptResult, error) {})
	b.wanted = true
	c := b.call
	c.clk.Busy(1)
	b.opts.Intent(func(err error) {
		c.post(func() { b.dial(err) })
		c.clk.Busy(-1)
	})
}

// dial calls the person. An agent who has left meanwhile leaves the place to
// the next one.
func (b *callingBack) dial(err error) {
	c := b.call
	b.wanted = false
	var p Place
	if err == nil && b.agent != nil {
		p, err = b.opts.Person()
	}
	switch {
	case c.ending || b.agent == nil:
		return
	case err != nil:
		b.note("not called back: " + err.Error())
		c.outcome = NotCalled
		b.end(err.Error())
		return
	}
	c.agentsFirst = false
	l, err := c.dialPlace(p)
	if err != nil {
		c.agentsFirst = true
		b.note("not called back: " + err.Error())
		c.outcome = NotCalled
		b.end(err.Error())
		return
	}
	b.person = l
	ring := c.after(b.opts.Ring, func() {
		l.reason = "timeout"
		l.hangup()
	})
	l.onState = func(l *Leg) {
		if l.state >= legUp {
			ring.stop()
		}
		if l.state == legUp {
			b.talk()
		}
	}
}

// talk bridges the person and the agent.
func (b *callingBack) talk() {
	c, person, agent := b.call, b.person, b.agent
	if agent == nil || agent.state != legUp {
		person.hangup()
		return
	}
	agent.interrupt()
	agent.session.StopPlay()
	b.talked = true
	c.facts.talked, c.facts.scriptEnded, c.outcome = true, true, Delivered
	facts := *c.queue
	facts.AnsweredBy, facts.WaitMs = agent.place.Name, c.clk.Now().Sub(b.opts.Place.Request().Arrived).Milliseconds()
	c.queue = &facts
	b.opts.Place.Talking(agent.place.Name)
	if o := b.opts.Connect; o.Record {
		c.recordTalk(person, true)
	}
	var limit *timer
	t := c.join(person, agent, func(endedBy string, _ int64) {
		limit.stop()
		if b.opts.Connect.Record {
			c.recordTalk(person, false)
		}
		b.end("talked")
		agent.hangup()
		person.hangup()
	})
	t.moved = func(l *Leg) {
		if l == agent && l.place.Name != facts.AnsweredBy {
			b.opts.Place.Over()
		}
	}
	if d := b.opts.Connect.MaxDuration; d > 0 {
		limit = c.after(d, func() { t.end("script") })
	}
}

// gone is a phone of an agent that is not there any more.
func (b *callingBack) gone(l *Leg) {
	if t := b.ringing[l]; t != nil {
		t.stop()
		delete(b.ringing, l)
	}
	agent := l.place.Name
	if l.declined() {
		b.refused = l.code
		b.call.BackStop(agent)
	}
	if b.phones[agent]--; b.phones[agent] <= 0 {
		delete(b.phones, agent)
	}
	switch {
	case b.call.ending:
		b.opts.Place.Leave("over")
	case b.agent == l && b.talked:
	case b.agent == l:
		b.agent = nil
		if b.person == nil && !b.wanted {
			b.opts.Place.Failed(agent, "rejected")
			return
		}
		b.call.outcome = Failed // the person's phone rings, and nobody is there for it
		b.end("the agent has left")
		b.call.hangup("system", 480)
	case b.phones[agent] == 0:
		status, code := l.ringEnd(legStatus(l), b.refused)
		b.refused = 0
		if status != "cancelled" {
			b.note(agent + ": " + status + " " + itoa(code))
		}
		b.opts.Place.Failed(agent, status)
	}
}

// end closes the call's place; the agent's leg ends with the call.
func (b *callingBack) end(status string) {
	facts := *b.call.queue
	facts.Status = map[bool]string{true: "completed", false: "callback"}[b.talked]
	b.call.queue = &facts
	b.note("call-back: " + status)
	b.opts.Place.Leave("over")
	if b.person == nil {
		b.call.hangup("system", 480)
	}
}
