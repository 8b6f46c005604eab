package call

import (
	"cmp"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
)

// What can be done to a conference from outside: a script, the API.

// List is all conferences in order of their names.
func (r *Rooms) List() []RoomState {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]RoomState, 0, len(r.rooms))
	for _, x := range r.rooms {
		out = append(out, x.stateLocked())
	}
	slices.SortFunc(out, func(a, b RoomState) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// State is one conference; the error is NOT_FOUND when nobody is in it.
func (r *Rooms) State(name string) (RoomState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, err := r.getLocked(name)
	if err != nil {
		return RoomState{}, err
	}
	return x.stateLocked(), nil
}

func (r *Rooms) getLocked(name string) (*room, error) {
	if x := r.rooms[name]; x != nil {
		return x, nil
	}
	return nil, fault.New(fault.NotFound, "nobody is in a conference %q", name)
}

func (x *room) stateLocked() RoomState {
	s := RoomState{Name: x.name, ID: x.id, Began: x.began, Recording: x.rec, Members: []RoomMember{}}
	for _, m := range x.members {
		s.Members = append(s.Members, m.infoLocked())
	}
	return s
}

// Counts are the conferences and their members.
func (r *Rooms) Counts() (rooms, members int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.rooms {
		members += len(x.members)
	}
	return len(r.rooms), members
}

// member finds one by its number, call or name.
func (r *Rooms) member(name, ref string) (*attending, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, err := r.getLocked(name)
	if err != nil {
		return nil, err
	}
	if m := x.findLocked(ref); m != nil {
		return m, nil
	}
	return nil, fault.New(fault.NotFound, "conference %q has no member %q", name, ref).WithHint("members() lists them: the id, the call or who it is")
}

// Kick ends a member's stay; its call goes on.
func (r *Rooms) Kick(name, ref string) error {
	m, err := r.member(name, ref)
	if err == nil {
		m.leg.call.post(func() { m.leave("kicked") })
	}
	return err
}

// Mute silences a member, or lets it be heard again.
func (r *Rooms) Mute(name, ref string, on bool) error {
	m, err := r.member(name, ref)
	if err != nil {
		return err
	}
	r.mu.Lock()
	m.muted = on
	m.room.applyLocked(m)
	kind := "unmuted"
	if on {
		kind = "muted"
	}
	told := []RoomEvent{{Kind: kind, Member: m.infoLocked()}}
	r.completeLocked(m.room, told)
	r.mu.Unlock()
	m.leg.call.post(func() { m.leg.note("conference", kind, "") })
	r.tell(m.room, m, told)
	return nil
}

// Close ends a conference: every join resolves with endedBy "closed".
func (r *Rooms) Close(name string) error {
	r.mu.Lock()
	x, err := r.getLocked(name)
	if err != nil {
		r.mu.Unlock()
		return err
	}
	delete(r.rooms, name) // who joins from now on begins another one
	members := slices.Clone(x.members)
	r.mu.Unlock()
	for _, m := range members {
		m.leg.call.post(func() { m.leave("closed") })
	}
	return nil
}

// Play is heard by everybody in the conference and replaces what plays there.
func (r *Rooms) Play(name string, pb media.Playback, done func(PromptResult, error)) {
	r.mu.Lock()
	x, err := r.getLocked(name)
	if err == nil {
		x.plays[x.mixer.Play(pb)] = func(p PromptResult) { done(p, nil) }
	}
	r.mu.Unlock()
	if err != nil {
		done(PromptResult{}, err)
	}
}

// StopPlay ends what plays for everybody.
func (r *Rooms) StopPlay(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, err := r.getLocked(name)
	if err == nil {
		x.mixer.StopPlay()
	}
	return err
}

// Watch tells of a conference's members until stop is called.
func (r *Rooms) Watch(name string, tell func(RoomEvent)) (stop func()) {
	w := &roomWatch{name, tell}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers == nil {
		r.watchers = map[*roomWatch]struct{}{}
	}
	r.watchers[w] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, w)
	}
}

// CheckConference reports a name that no conference can have.
func CheckConference(name string) error {
	if name == "" || len(name) > MaxConferenceName || strings.ContainsAny(name, "/\\\r\n\x00") {
		return fault.New(fault.Invalid, "conference: %q is no name", name).WithHint("1 to %d characters without slashes", MaxConferenceName)
	}
	return nil
}

// ConferenceSay speaks to everybody in a conference, in the voice of this call's
// script.
func (c *Call) ConferenceSay(name string, parts []Part, o PromptOptions, v Verb) {
	if c.deps.Rooms == nil {
		v.fail(fault.New(fault.Unavailable, "there are no conferences here"))
		return
	}
	c.audio(parts, o, func(audio []*sound.Prompt, err error) {
		if err != nil {
			v.fail(err)
			return
		}
		c.note("conference", "", "says to "+quoted(name)+": "+Label(parts), v.At)
		c.deps.Rooms.Play(name, media.Playback{Parts: audio, Loop: o.Loop, Volume: o.Volume}, func(r PromptResult, err error) {
			c.post(func() { v.Reply(r, err) })
		})
	})
}

// Rooms are the conferences that this call may join; nil without any.
func (c *Call) Rooms() *Rooms { return c.deps.Rooms }
