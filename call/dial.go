package call

import "github.com/loopstart/loopstart/internal/fault"

// DialResult is what dial resolves with; Leg is set when Status is answered.
type DialResult struct {
	Status  string // answered, busy, no_answer, rejected, failed
	Code    int
	Leg     *Leg
	Machine *Answered // when DialRequest.Machine asked for it
	Early   string    // heard before the answer, as in LegResult
	Reason  string    // why it was not dialled at all, as in LegResult
}

// Dial rings a target and gives the script the leg of whoever answers first.
// The leg ends with the call. id names the dial for CancelDial.
func (c *Call) Dial(id uint32, r DialRequest, v Verb) {
	if c.ending {
		v.fail(errHangup())
		return
	}
	places, err := c.deps.Dialer.Resolve(r)
	if err != nil {
		v.fail(err)
		return
	}
	c.dialPlaces(id, places, r, v, nil)
}

// dialPlaces rings all places at once; rang, if there is one, hears of the first
// that rings.
func (c *Call) dialPlaces(id uint32, places []Place, r DialRequest, v Verb, rang func()) {
	d := &dialling{call: c, verb: v, machine: r.Machine, rang: rang, legs: map[*Leg]*timer{}, worst: DialResult{Status: "no_answer", Code: 480}}
	for _, p := range places {
		l, err := c.dialPlace(p)
		if err != nil {
			c.note("state", "", "not dialled: "+p.Name+": "+err.Error(), v.At)
			d.worst = DialResult{Status: "failed", Code: 503, Reason: err.Error()}
			continue
		}
		limit := p.Each
		if limit <= 0 || limit > r.Timeout {
			limit = r.Timeout
		}
		d.legs[l] = c.after(limit, func() {
			l.reason = "timeout"
			l.hangup()
		})
		l.onState = d.changed
	}
	c.dials[id] = d
	d.id = id
	d.check()
}

// CancelDial stops a dial that still rings, for {signal}.
func (c *Call) CancelDial(id uint32) {
	if d := c.dials[id]; d != nil {
		d.dismiss(nil)
	}
}

// CancelConnect stops a connect that still rings, or ends its talk.
func (c *Call) CancelConnect() {
	if c.connect != nil {
		c.connect.cancel()
	}
}

// CancelGather ends a gather or menu without an answer.
func (l *Leg) CancelGather() {
	if g := l.gather; g != nil {
		if l.play != nil && g.state.playing {
			l.play.stop()
		}
		g.fail(fault.New(fault.Conflict, "given up by the script"))
	}
}

// dialling is one dial that rings.
type dialling struct {
	call    *Call
	id      uint32
	verb    Verb
	legs    map[*Leg]*timer
	worst   DialResult
	over    bool
	machine *Detection
	rang    func()
}

func (d *dialling) changed(l *Leg) {
	switch {
	case d.over:
	case l.state == legRinging || l.state == legEarly:
		if d.rang != nil {
			d.rang()
			d.rang = nil
		}
	case l.state == legUp:
		d.dismiss(l)
		l.onState = nil
		d.answered(l)
	case l.state == legEnded:
		d.legs[l].stop()
		delete(d.legs, l)
		d.worst = DialResult{Status: legStatus(l), Code: l.code, Early: l.preanswer.word(), Reason: l.unsent}
		if d.worst.Status == "cancelled" {
			d.worst = DialResult{Status: "no_answer", Code: 487}
		}
		d.check()
	}
}

// answered settles the dial, after finding who it was if that is wanted.
func (d *dialling) answered(l *Leg) {
	result := DialResult{Status: "answered", Code: 200, Leg: l, Early: l.preanswer.word()}
	if d.machine == nil {
		d.settle(result)
		return
	}
	d.over = true
	gone := Verb{At: d.verb.At, Reply: func(any, error) { d.settle(DialResult{Status: "failed", Code: 487}) }}
	l.detect(*d.machine, d.verb.At, gone, func(a Answered) {
		result.Machine = &a
		d.settle(result)
	})
}

func (d *dialling) check() {
	if len(d.legs) == 0 && !d.over {
		d.settle(d.worst)
	}
}

func (d *dialling) dismiss(winner *Leg) {
	for _, l := range inOrder(d.legs) {
		if d.legs[l].stop(); l != winner {
			l.reason = "cancelled"
			l.hangup()
		}
	}
}

func (d *dialling) settle(r DialResult) {
	d.over = true
	delete(d.call.dials, d.id)
	d.verb.ok(r)
}
