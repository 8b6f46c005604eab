package call

import (
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
)

// Supervision is somebody else on a call: who only listens, who talks to the
// agent alone (coach), or to both (barge). The bridge of the two stays as it is
// and is overheard; only a side that hears the supervisor hears a mix instead,
// until the supervisor leaves.

// The modes of a supervisor.
const (
	Listen = "listen"
	Coach  = "coach"
	Barge  = "barge"
)

// MaxSupervisors is how many may be on one call.
const MaxSupervisors = 5

// SuperviseResult tells what became of a supervisor who was rung.
type SuperviseResult struct {
	State  string `json:"state"` // joined, or failed: Status and Code say why
	Mode   string `json:"mode"`
	Leg    string `json:"leg,omitempty"`
	Status string `json:"status,omitempty"` // busy, no_answer, rejected, failed
	Code   int    `json:"code,omitempty"`
}

// supervision is what a supervised call holds.
type supervision struct {
	mixer   *media.Mixer
	heads   []*supervisor
	parties []*Leg // who is overheard
}

type supervisor struct {
	leg  *Leg
	mode string
}

// superviseDials numbers the dials of supervisors above those of scripts.
const superviseDials = 1 << 31

// Supervise rings a supervisor, who joins in that mode; with no target the
// supervisors of the call change to it.
func (c *Call) Supervise(mode string, r DialRequest, v Verb) {
	switch {
	case c.ending || c.main == nil:
		v.fail(errHangup())
	case c.main.state != legUp:
		v.fail(fault.New(fault.Conflict, "%s: the call is not answered yet", mode))
	case r.Target == "":
		c.changeMode(mode, v)
	case c.supervisors() >= MaxSupervisors:
		c.deps.Counters.Refused.Add(1)
		v.fail(fault.New(fault.Limit, "%s: %d supervisors are on this call", mode, MaxSupervisors))
	default:
		c.rung++
		c.Dial(superviseDials+c.rung, r, Verb{At: v.At, Reply: func(value any, err error) {
			d, _ := value.(DialResult)
			switch {
			case err != nil:
				v.fail(err)
			case d.Leg == nil:
				v.ok(SuperviseResult{State: "failed", Mode: mode, Status: d.Status, Code: d.Code})
			default:
				c.oversee(&supervisor{d.Leg, mode}, v)
			}
		}})
	}
}

// Supervise is Call.Supervise of the leg's call.
func (l *Leg) Supervise(mode string, r DialRequest, v Verb) { l.call.Supervise(mode, r, v) }

func (c *Call) supervisors() int {
	n := 0
	for _, l := range c.legs {
		if l.supervises != nil {
			n++
		}
	}
	return n
}

// changeMode lets those who are on the call listen, coach or barge.
func (c *Call) changeMode(mode string, v Verb) {
	var last *supervisor
	for _, l := range c.legsInOrder() {
		if s := l.supervises; s != nil && l.alive() {
			last, s.mode = s, mode
			l.note("supervise", l.who()+": "+mode, v.At)
			if l.room != nil {
				c.deps.Rooms.change(l.room, roleOf(mode), c.ID())
			}
		}
	}
	if last == nil {
		v.fail(fault.New(fault.Conflict, "%s: there is no supervisor on this call", mode).WithHint(`name one: {"do": %q, "to": "101"}`, mode))
		return
	}
	c.resupervise()
	v.ok(SuperviseResult{State: "joined", Mode: mode, Leg: last.leg.name})
}

// oversee lets a supervisor who has answered in.
func (c *Call) oversee(s *supervisor, v Verb) {
	l := s.leg
	l.supervises = s
	l.note("supervise", l.who()+": "+s.mode, v.At)
	if c.main.room != nil {
		c.overseeRoom(s, v)
		return
	}
	if c.watched == nil {
		near := []*media.Session{c.main.session}
		if t := c.main.talk; t != nil {
			near = []*media.Session{t.a.session, t.b.session}
		}
		m, err := c.deps.NewMixer(media.MixerOptions{Near: near})
		if err != nil {
			l.hangup()
			v.fail(err)
			return
		}
		c.watched = &supervision{mixer: m}
	}
	c.watched.heads = append(c.watched.heads, s)
	l.onEnd = append(l.onEnd, func() { c.unwatch(s) })
	c.resupervise()
	v.ok(SuperviseResult{State: "joined", Mode: s.mode, Leg: l.name})
}

// overseeRoom joins the conference that the call is in.
func (c *Call) overseeRoom(s *supervisor, v Verb) {
	l, o := s.leg, c.main.room.opts
	m := &attending{leg: l, who: l.who(), role: roleOf(s.mode), supervisor: true, verb: Verb{At: v.At, Reply: func(any, error) { l.hangup() }}}
	m.opts = ConferenceOptions{Name: o.Name, Role: m.role, Coach: c.ID()}
	m.keys = keyWatch{call: c}
	l.room = m
	status, err := c.deps.Rooms.enter(m, &m.opts)
	if status != "" {
		err = fault.New(fault.Limit, "conference %q is %s", o.Name, status)
	}
	if err != nil {
		l.room = nil
		l.hangup()
		v.fail(err)
		return
	}
	v.ok(SuperviseResult{State: "joined", Mode: s.mode, Leg: l.name})
}

func roleOf(mode string) string {
	switch mode {
	case Listen:
		return roleListen
	case Coach:
		return roleCoach
	}
	return roleMember
}

// unwatch takes a supervisor out; with the last one the bridge is alone again.
func (c *Call) unwatch(s *supervisor) {
	w := c.watched
	for i, x := range w.heads {
		if x == s {
			w.heads = append(w.heads[:i], w.heads[i+1:]...)
			break
		}
	}
	if len(w.heads) > 0 {
		c.resupervise()
		return
	}
	c.watched = nil
	w.mixer.Close()
}

// resupervise tells the mixer who is who, whenever that may have changed.
func (c *Call) resupervise() {
	w := c.watched
	if w == nil {
		return
	}
	agent, customer := c.sides()
	coached, barged := false, false
	for _, s := range w.heads {
		coached, barged = coached || s.mode == Coach, barged || s.mode == Barge
	}
	for _, l := range w.parties {
		if l != agent && l != customer && l.state != legEnded {
			l.session.Unmix()
		}
	}
	w.parties = w.parties[:0]
	if customer != nil {
		customer.session.Mix(w.mixer, media.MixOptions{Overheard: !barged})
		w.parties = append(w.parties, customer)
	}
	if agent != nil {
		agent.session.Mix(w.mixer, media.MixOptions{Overheard: !barged && !coached})
		w.parties = append(w.parties, agent)
	}
	for _, s := range w.heads {
		s.leg.session.Mix(w.mixer, s.options(agent))
	}
}

func (s *supervisor) options(agent *Leg) media.MixOptions {
	switch {
	case s.mode == Barge:
		return media.MixOptions{}
	case s.mode == Coach && agent != nil:
		return media.MixOptions{Role: media.MixCoach, Coach: agent.session}
	}
	return media.MixOptions{Role: media.MixListener}
}

// sides are the two of a talk: the agent is whom connect has brought in, or the
// user who has called; without a talk there is only the customer.
func (c *Call) sides() (agent, customer *Leg) {
	t := c.main.talk
	if t == nil {
		if c.main.state == legEnded {
			return nil, nil
		}
		return nil, c.main
	}
	other := t.b
	if t.b == c.main {
		other = t.a
	}
	if c.spec.User != "" {
		return c.main, other
	}
	return other, c.main
}

// dismissSupervisors ends those who are in a conference for the sake of the
// first leg, when that has left it.
func (l *Leg) dismissSupervisors() {
	if l != l.call.main {
		return
	}
	for _, x := range l.call.legsInOrder() {
		if x.supervises != nil && x.room != nil {
			x.hangup()
		}
	}
}
