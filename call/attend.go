package call

import (
	"context"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sound"
)

// The roles in a conference.
const (
	roleMember = "member"
	roleListen = "listen"
	roleCoach  = "coach"
)

// ConferenceOptions are the options of conference.join, after defaults.
type ConferenceOptions struct {
	Name        string
	Role        string // member, listen or coach
	Coach       string // whom a coach talks to: a member's id, call or name
	Muted       bool
	PIN         string // asked of the party; "" lets everybody in
	PINTries    int
	PINPrompt   []Part
	Music       []Part // heard while nobody else is there
	Tones       bool   // a short tone for everybody at each coming and going
	Record      bool   // record the whole conference
	MaxMembers  int
	MaxDuration time.Duration
	HangupOn    string
	Keys        map[string]uint32
	Volume      float64
}

// ConferenceResult is what conference.join resolves with.
type ConferenceResult struct {
	Status    string        `json:"status"`            // completed, denied, full, abandoned
	EndedBy   string        `json:"endedBy,omitempty"` // caller, callee, script, kicked, closed
	TalkMs    int64         `json:"talkMs"`            // in the conference
	Member    int           `json:"member,omitempty"`
	Recording *RecordResult `json:"recording,omitempty"` // of the whole conference
}

// Defaults of the PIN.
const (
	DefaultPINTries = 3
	pinPrompt       = "conference-pin.wav"
	pinWrong        = "conference-pin-wrong.wav"
)

// attending is a leg's stay in a conference. What the room needs of it is
// guarded by the lock of Rooms, the rest belongs to the call's goroutine.
type attending struct {
	leg        *Leg
	room       *room
	id         int
	who        string
	role       string
	muted      bool
	supervisor bool
	since      time.Time
	opts       ConferenceOptions

	verb  Verb
	keys  keyWatch
	limit *timer
	music bool // plays for this one
	over  bool
}

func (m *attending) infoLocked() RoomMember {
	return RoomMember{ID: m.id, Call: m.leg.call.ID(), Leg: m.leg.name, Who: m.who, Role: m.role, Muted: m.muted, Supervisor: m.supervisor, Joined: m.since}
}

// who is a party in the words of a list of members.
func (l *Leg) who() string {
	if l == l.call.main && l.call.spec.User != "" {
		return l.call.spec.User
	}
	return l.Party().Number()
}

// Attend joins a conference until the party leaves, is sent out, or the
// conference is closed.
func (l *Leg) Attend(o ConferenceOptions, v Verb) {
	switch {
	case l.call.deps.Rooms == nil:
		v.fail(fault.New(fault.Unavailable, "there are no conferences here"))
		return
	case l.room != nil:
		v.fail(fault.New(fault.Conflict, "this call is in the conference %q already", l.room.opts.Name).WithHint("await the first join"))
		return
	case l.talk != nil:
		v.fail(fault.New(fault.Conflict, "this call is bridged").WithHint("unbridge it first"))
		return
	}
	if err := CheckConference(o.Name); err != nil {
		v.fail(err)
		return
	}
	l.audible(true, v, func() { l.askPIN(o, 0, v, func() { l.attend(o, v) }) })
}

// askPIN asks for the PIN, if there is one, and goes on when it is right.
func (l *Leg) askPIN(o ConferenceOptions, tried int, v Verb, next func()) {
	if o.PIN == "" {
		next()
		return
	}
	prompt := o.PINPrompt
	if len(prompt) == 0 {
		prompt = []Part{{Play: pinPrompt}}
	}
	if tried > 0 {
		prompt = append([]Part{{Play: pinWrong}}, prompt...)
	}
	g := GatherOptions{
		Prompt: prompt, Min: len(o.PIN), Max: len(o.PIN), FinishOn: "#", Secret: true, Attempts: 1, Timeout: DefaultTimeout, InterDigit: DefaultInterDigit,
		PromptOptions: PromptOptions{BargeIn: true},
	}
	l.collect(g, Verb{At: v.At, Reply: func(value any, err error) {
		r, _ := value.(GatherResult)
		switch {
		case fault.CodeOf(err) == fault.Hangup:
			v.ok(ConferenceResult{Status: "abandoned", EndedBy: l.side()})
		case err != nil:
			v.fail(err)
		case r.Digits == o.PIN:
			next()
		case tried+1 >= max(o.PINTries, 1):
			l.note("conference", "wrong PIN for "+quoted(o.Name), v.At)
			v.ok(ConferenceResult{Status: "denied"})
		default:
			l.askPIN(o, tried+1, v, next)
		}
	}})
}

// attend enters the room.
func (l *Leg) attend(o ConferenceOptions, v Verb) {
	m := &attending{leg: l, who: l.who(), role: o.Role, muted: o.Muted, opts: o, verb: v}
	m.keys = keyWatch{call: l.call, hangupOn: o.HangupOn, keys: o.Keys}
	l.interrupt()
	l.session.StopPlay()
	l.room = m
	status, err := l.call.deps.Rooms.enter(m, &o)
	if status != "" || err != nil {
		l.room = nil
		if err != nil {
			v.fail(err)
			return
		}
		l.note("conference", quoted(o.Name)+" is "+status, v.At)
		v.ok(ConferenceResult{Status: status})
		return
	}
	if o.MaxDuration > 0 {
		m.limit = l.call.after(o.MaxDuration, func() { m.leave("script") })
	}
}

// hear is what others' coming and going means for a member; any goroutine.
func (m *attending) hear(about *attending, ev RoomEvent, present []*attending) {
	c := m.leg.call
	alone := len(present) == 1
	tell := m == about || len(present) <= roomTalk
	c.post(func() {
		if m.over {
			return
		}
		words := ev.Member.Who + " " + ev.Kind + " " + quoted(ev.Conference)
		if ev.Kind == "joined" {
			words += " as " + ev.Member.Role
		}
		if tell {
			m.leg.note("conference", words+", "+itoa(ev.Members)+" there", m.verb.At)
		}
		if !alone {
			c.facts.talked = c.facts.talked || m.leg == c.main
		}
		m.entertain(alone)
	})
}

// entertain plays the music of who is alone.
func (m *attending) entertain(alone bool) {
	switch l := m.leg; {
	case alone && !m.music && len(m.opts.Music) > 0 && l.alive():
		m.music = true
		l.speak(m.opts.Music, PromptOptions{Loop: true}, m.verb.At, func(_ PromptResult, err error) {
			if m.music = false; err != nil {
				m.opts.Music = nil // told once
				l.unheard("music of the conference "+quoted(m.opts.Name), m.verb.At, err)
			}
		})
	case !alone && m.music && l.play != nil && l.play.loop:
		l.play.stop()
	}
}

// leave ends the stay and settles join; call goroutine.
func (m *attending) leave(by string) {
	if m.over {
		return
	}
	m.over = true
	l := m.leg
	l.room = nil
	m.limit.stop()
	m.keys.quiet.stop()
	if m.music && l.play != nil && l.alive() {
		l.play.stop()
	}
	rooms := l.call.deps.Rooms
	rooms.leave(m, by)
	r := ConferenceResult{Status: "completed", EndedBy: by, TalkMs: l.call.clk.Now().Sub(m.since).Milliseconds(), Member: m.id}
	rooms.mu.Lock()
	if m.room.rec != "" {
		r.Recording = &RecordResult{ID: m.room.rec, DurationMs: l.call.clk.Now().Sub(m.room.began).Milliseconds(), Reason: "hangup"}
		if by == "script" {
			r.Recording.Reason = "stopped"
		}
	}
	rooms.mu.Unlock()
	l.note("conference", "left "+quoted(m.opts.Name)+": "+by, m.verb.At)
	l.dismissSupervisors()
	m.verb.ok(r)
}

// key watches for hangupOn and keys.
func (m *attending) key(d byte) bool {
	seq, hit := m.keys.press(d)
	switch {
	case !hit:
	case seq == m.opts.HangupOn:
		m.leave(map[bool]string{true: "caller", false: "callee"}[m.leg == m.leg.call.main])
	default:
		m.leg.call.callback(m.opts.Keys[seq], map[string]any{"key": seq})
	}
	return true
}

// CancelAttend ends the stay, for {signal}.
func (l *Leg) CancelAttend() {
	if l.room != nil {
		l.room.leave("script")
		return
	}
	l.CancelGather()
}

// chime is the tone of somebody's coming or going.
func (x *room) chime(m *attending, kind string) {
	tone := "tone:660/120ms"
	if kind == "left" {
		tone = "tone:440/120ms"
	}
	if audio, ok := m.leg.call.deps.Prompts.Ready(PromptRequest{Parts: []Part{{Play: tone}}}); ok && len(audio) > 0 {
		x.mixer.Chime(audio[0])
	}
}

// audio makes the sound of parts; done runs on the call's goroutine.
func (c *Call) audio(parts []Part, o PromptOptions, done func([]*sound.Prompt, error)) {
	req := c.promptRequest(parts, o)
	if audio, ok := c.deps.Prompts.Ready(req); ok {
		done(audio, nil)
		return
	}
	c.clk.Busy(1)
	go func() {
		defer c.clk.Busy(-1)
		ctx, cancel := context.WithTimeout(context.Background(), renderLimit)
		defer cancel()
		audio, err := c.deps.Prompts.Load(ctx, req)
		c.post(func() { done(audio, err) })
	}()
}
