package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
)

// roomPrefix begins the ids of conferences, so that their recordings are not
// taken for those of calls.
const roomPrefix = "room-"

// openRooms makes the registry of conferences.
func (e *Engine) openRooms(*config.Config) error {
	e.rooms = &call.Rooms{
		Clock: e.clk, NewMixer: func(o media.MixerOptions) (*media.Mixer, error) { return e.media.NewMixer(o) }, Recordings: e.record,
		NewID: func() string { return roomPrefix + e.newID("room") }, Told: e.roomEvent,
		Limits: func() (int, int, time.Duration) {
			l := e.Config().Limits
			return l.Rooms, l.RoomMembers, l.Recording
		},
	}
	return nil
}

// roomEvent tells the feed and the webhooks of a conference.
func (e *Engine) roomEvent(ev call.RoomEvent) {
	data := map[string]any{"conference": ev.Conference, "id": ev.ID, "members": ev.Members}
	about := ""
	if ev.Member.ID > 0 {
		data["member"], about = ev.Member, ev.Member.Call
	}
	if ev.EndedBy != "" {
		data["ended_by"] = ev.EndedBy
	}
	if ev.Kind == "left" || ev.Kind == "ended" {
		data["duration_ms"] = ev.DurationMs
	}
	if ev.Recording != "" {
		data["recording"] = ev.Recording
	}
	body, err := json.Marshal(data)
	if err != nil {
		return // plain values: never
	}
	e.emit(nil, Event{Type: "conference." + ev.Kind, At: e.clk.Now(), Order: orderOf(about), Call: about, Data: body})
}

// Conferences implements api.Conferences.
func (a *surface) Conferences() any { return a.rooms.List() }

// Conference implements api.Conferences.
func (a *surface) Conference(name string) (any, error) { return a.rooms.State(name) }

// roomCommand is the body of POST /v1/conferences/{name}/commands.
type roomCommand struct {
	saying
	Member text `json:"member"`
}

// ConferenceCommand implements api.Conferences.
func (a *surface) ConferenceCommand(name string, body json.RawMessage) (any, error) {
	var c roomCommand
	if err := commandBody(body, &c); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if _, err := a.rooms.State(name); err != nil {
		return nil, err
	}
	ok := map[string]any{"state": "done"}
	who := string(c.Member)
	switch c.Do {
	case "mute", "unmute", "kick":
		if who == "" {
			return nil, fault.New(fault.Invalid, "command: %s needs a member", c.Do).WithHint("member is the id, the call or who it is; GET /v1/conferences/%s lists them", name)
		}
	}
	switch c.Do {
	case "mute", "unmute":
		return ok, a.rooms.Mute(name, who, c.Do == "mute")
	case "kick":
		return ok, a.rooms.Kick(name, who)
	case "close":
		return ok, a.rooms.Close(name)
	case "stop":
		return ok, a.rooms.StopPlay(name)
	case "say", "play":
		return a.e().roomSay(name, &c.saying)
	}
	return nil, fault.New(fault.Invalid, "no command %q", c.Do).WithHint("do is mute, unmute, kick, say, play, stop or close")
}

// roomSay speaks to everybody in a conference. It answers when the sound is
// made; the end is not waited for.
func (e *Engine) roomSay(name string, c *saying) (any, error) {
	parts, err := c.parts()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(e.ctx, roomRender)
	defer cancel()
	audio, err := (*prompts)(e).Load(ctx, call.PromptRequest{Parts: parts, Language: cmp.Or(c.Language, e.Config().Project.Language), Voice: c.Voice})
	if err != nil {
		return nil, err
	}
	e.rooms.Play(name, media.Playback{Parts: audio, Loop: c.Loop, Volume: c.Volume}, func(call.PromptResult, error) {})
	return map[string]any{"state": "begun"}, nil
}

// roomRender bounds the making of what is said to a conference.
const roomRender = 15 * time.Second

// supervise is the command listen, coach or barge.
func (c *command) supervise(l *live) (legVerb, error) {
	ring, err := c.ring()
	if err != nil {
		return nil, err
	}
	r := l.Spec().Dial(c.Target)
	r.From, r.Trunk, r.Timeout = c.From, c.Trunk, ring
	return func(leg *call.Leg, v call.Verb) { leg.Supervise(c.Do, r, v) }, nil
}
