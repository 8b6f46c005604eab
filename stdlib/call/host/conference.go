package host

import (
	"cmp"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
)

// rooms are the conferences; without them there is an error.
func (q *request) rooms() (*call.Rooms, bool) {
	r := q.s.call.Rooms()
	if r == nil {
		q.verb.Reply(nil, fault.New(fault.Unavailable, "there are no conferences here"))
	}
	return r, r != nil
}

func joinConference(q *request) {
	var o struct {
		Name       string              `json:"name"`
		Role       string              `json:"role"`
		Coach      string              `json:"coach"`
		Muted      bool                `json:"muted"`
		PIN        string              `json:"pin"`
		PINTries   int                 `json:"pinTries"`
		PINPrompt  []call.Part         `json:"pinPrompt"`
		Music      []call.Part         `json:"music"`
		Tones      bool                `json:"tones"`
		Record     bool                `json:"record"`
		MaxMembers int                 `json:"maxMembers"`
		MaxMs      int64               `json:"maxDurationMs"`
		HangupOn   string              `json:"hangupOn"`
		Keys       map[string]function `json:"keys"`
		Volume     float64             `json:"volume"`
	}
	if !q.read(&o) {
		return
	}
	c := call.ConferenceOptions{
		Name: o.Name, Role: cmp.Or(o.Role, "member"), Coach: o.Coach, Muted: o.Muted, PIN: o.PIN, PINTries: cmp.Or(o.PINTries, call.DefaultPINTries), PINPrompt: o.PINPrompt,
		Music: o.Music, Tones: o.Tones, Record: o.Record, MaxMembers: o.MaxMembers, MaxDuration: ms(o.MaxMs), HangupOn: o.HangupOn, Volume: o.Volume,
		Keys: map[string]uint32{},
	}
	for keys, f := range o.Keys {
		c.Keys[keys] = f.ID
	}
	if err := check(c.PINPrompt, c.Music); err != nil {
		q.verb.Reply(nil, err)
		return
	}
	q.onCancel(q.leg.CancelAttend)
	q.leg.Attend(c, q.verb)
}

// member is one as scripts see it.
type member struct {
	ID         int       `json:"id"`
	Call       string    `json:"call"`
	Who        string    `json:"who"`
	Role       string    `json:"role"`
	Muted      bool      `json:"muted"`
	Supervisor bool      `json:"supervisor"`
	JoinedAt   time.Time `json:"joinedAt"`
}

func memberOf(m call.RoomMember) member {
	return member{m.ID, m.Call, m.Who, m.Role, m.Muted, m.Supervisor, m.Joined}
}

// conferenceMembers is who is there; nobody when there is no such conference.
func conferenceMembers(q *request) {
	var o struct {
		Name string `json:"name"`
	}
	r, ok := q.rooms()
	if !ok || !q.read(&o) {
		return
	}
	list := []member{}
	if state, err := r.State(o.Name); err == nil {
		for _, m := range state.Members {
			list = append(list, memberOf(m))
		}
	}
	q.verb.Reply(map[string]any{"members": list}, nil)
}

func conferenceDo(q *request) {
	var o struct {
		Name   string `json:"name"`
		Do     string `json:"do"`
		Member string `json:"member"`
	}
	r, ok := q.rooms()
	if !ok || !q.read(&o) {
		return
	}
	var err error
	switch o.Do {
	case "kick":
		err = r.Kick(o.Name, o.Member)
	case "mute", "unmute":
		err = r.Mute(o.Name, o.Member, o.Do == "mute")
	case "stop":
		err = r.StopPlay(o.Name)
	case "close":
		err = r.Close(o.Name)
	default:
		err = fault.New(fault.Invalid, "conference: no verb %q", o.Do)
	}
	q.verb.Reply(nil, err)
}

func conferenceSay(q *request) {
	var o struct {
		spoken
		Name string `json:"name"`
	}
	if !q.read(&o) {
		return
	}
	if err := check(o.Prompt); err != nil {
		q.verb.Reply(nil, err)
		return
	}
	q.s.call.ConferenceSay(o.Name, o.Prompt, o.options(false), q.verb)
}

// watchConference tells a function of the script of members that join or leave.
func watchConference(q *request) {
	var o struct {
		Name  string `json:"name"`
		Event string `json:"event"`
		On    uint32 `json:"on"`
	}
	r, ok := q.rooms()
	if !ok || !q.read(&o) {
		return
	}
	s, want := q.s, map[string]string{"join": "joined", "leave": "left"}[o.Event]
	s.watches[o.On] = r.Watch(o.Name, func(ev call.RoomEvent) {
		if ev.Kind != want {
			return
		}
		s.call.Do(func() {
			e := map[string]any{"type": o.Event, "member": memberOf(ev.Member), "members": ev.Members}
			if ev.EndedBy != "" {
				e["endedBy"] = ev.EndedBy
			}
			s.Callback(o.On, e)
		})
	})
	q.verb.Reply(nil, nil)
}

func unwatchConference(q *request) {
	var o struct {
		On uint32 `json:"on"`
	}
	if !q.read(&o) {
		return
	}
	if stop := q.s.watches[o.On]; stop != nil {
		delete(q.s.watches, o.On)
		stop()
	}
	q.verb.Reply(nil, nil)
}

// Close ends what the script has left: it does not watch conferences any more.
func (s *Session) Close() {
	end := func() {
		for id, stop := range s.watches {
			delete(s.watches, id)
			stop()
		}
	}
	if !s.call.Do(end) {
		end() // the call's goroutine has ended: nobody else is there
	}
}
