package call

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
)

// Defaults of conferences.
const (
	DefaultConferences       = 200
	DefaultConferenceMembers = media.MaxMixMembers
	// MaxConferenceName is the longest name of a conference in bytes.
	MaxConferenceName = 100
	// roomTalk is up to how many members everybody's timeline tells of the others.
	roomTalk = 20
)

// RoomEvent is something that happened in a conference.
type RoomEvent struct {
	Kind       string // began, joined, left, muted, unmuted, ended
	Conference string
	ID         string     // of the conference, unique
	Member     RoomMember // of joined, left, muted and unmuted
	Members    int        // present now
	EndedBy    string     // of left
	Recording  string     // id, when the conference is recorded
	DurationMs int64      // of left and ended
}

// RoomMember is one party in a conference.
type RoomMember struct {
	ID         int       `json:"id"`
	Call       string    `json:"call"`
	Leg        string    `json:"leg"`
	Who        string    `json:"who"` // user or number
	Role       string    `json:"role"`
	Muted      bool      `json:"muted"`
	Supervisor bool      `json:"supervisor,omitempty"`
	Joined     time.Time `json:"joined_at"`
}

// RoomState is a conference as the API shows it.
type RoomState struct {
	Name      string       `json:"name"`
	ID        string       `json:"id"`
	Began     time.Time    `json:"began_at"`
	Recording string       `json:"recording,omitempty"`
	Members   []RoomMember `json:"members"`
}

// Rooms are the conferences of an engine by name. Calls of all scripts meet in
// them: a name is one room.
//
// # Concurrency
//
// Safe from any goroutine; nobody is called with the lock held.
type Rooms struct {
	Clock      clock.Clock
	NewMixer   func(media.MixerOptions) (*media.Mixer, error)
	Recordings Recordings
	NewID      func() string // of a conference
	Limits     func() (conferences, members int, recording time.Duration)
	Told       func(RoomEvent)

	Opened, Joined, Refused atomic.Int64

	mu       sync.Mutex
	rooms    map[string]*room
	watchers map[*roomWatch]struct{}
}

// room is one conference; Rooms.mu guards it.
type room struct {
	hub     *Rooms
	name    string
	id      string
	mixer   *media.Mixer
	began   time.Time
	most    int
	tones   bool
	members []*attending // in order of joining
	made    int
	rec     string // id of its recording
	file    *os.File
	plays   map[uint32]func(PromptResult)
}

// roomWatch is a script that hears of a conference's members.
type roomWatch struct {
	name string
	tell func(RoomEvent)
}

// limits with the defaults filled in.
func (r *Rooms) limits() (rooms, members int, recording time.Duration) {
	if r.Limits != nil {
		rooms, members, recording = r.Limits()
	}
	return cmp.Or(rooms, DefaultConferences), min(cmp.Or(members, DefaultConferenceMembers), media.MaxMixMembers), cmp.Or(recording, DefaultMaxRecord)
}

// enter makes a leg a member. status is "full" when there is no place for it.
func (r *Rooms) enter(m *attending, o *ConferenceOptions) (status string, err error) {
	r.mu.Lock()
	x, begun, err := r.openLocked(m, o)
	if err != nil {
		r.mu.Unlock()
		r.Refused.Add(1)
		return "", err
	}
	if len(x.members) >= x.most || o.MaxMembers > 0 && len(x.members) >= o.MaxMembers {
		r.mu.Unlock()
		r.Refused.Add(1)
		return "full", nil
	}
	x.made++
	m.room, m.id, m.since = x, x.made, r.Clock.Now()
	x.members = append(x.members, m)
	record := o.Record && x.rec == ""
	if record {
		x.rec = x.id
	}
	x.applyAllLocked(m)
	told := []RoomEvent{{Kind: "joined", Member: m.infoLocked()}}
	if begun {
		r.Opened.Add(1)
		told = slices.Insert(told, 0, RoomEvent{Kind: "began"})
	}
	r.completeLocked(x, told)
	r.mu.Unlock()
	r.Joined.Add(1)
	if record {
		x.record()
	}
	r.tell(x, m, told)
	return "", nil
}

// openLocked finds the room, or makes it for its first member.
func (r *Rooms) openLocked(m *attending, o *ConferenceOptions) (x *room, begun bool, err error) {
	if x = r.rooms[o.Name]; x != nil {
		x.tones = x.tones || o.Tones
		return x, false, nil
	}
	rooms, members, _ := r.limits()
	if len(r.rooms) >= rooms {
		return nil, false, fault.New(fault.Limit, "conference: %d are open (limits.conferences)", rooms).WithHint("raise limits.conferences of loopstart.yaml")
	}
	x = &room{hub: r, name: o.Name, id: r.NewID(), began: r.Clock.Now(), most: members, tones: o.Tones, plays: map[uint32]func(PromptResult){}}
	if x.mixer, err = r.NewMixer(media.MixerOptions{Near: []*media.Session{m.leg.session}, Sink: x.event}); err != nil {
		return nil, false, err
	}
	if r.rooms == nil {
		r.rooms = map[string]*room{}
	}
	r.rooms[o.Name] = x
	return x, true, nil
}

// record begins the recording of the mix.
func (x *room) record() {
	f, err := x.hub.Recordings.Create(x.id, "")
	x.hub.mu.Lock()
	defer x.hub.mu.Unlock()
	if x.file = f; err != nil {
		x.file, x.rec = nil, "" // the members' talk goes on; what ends names no recording
		return
	}
	_, _, longest := x.hub.limits()
	x.mixer.Record(media.NewRecorder(f, media.RecorderOptions{Mixed: true, MaxDuration: longest}))
}

// applyLocked tells the mixer what a member is.
func (x *room) applyLocked(m *attending) {
	o := media.MixOptions{Muted: m.muted, Volume: m.opts.Volume}
	switch m.role {
	case roleListen:
		o.Role = media.MixListener
	case roleCoach:
		o.Role = media.MixCoach
		if to := x.findLocked(m.opts.Coach); to != nil {
			o.Coach = to.leg.session
		}
	}
	m.leg.session.Mix(x.mixer, o)
}

// applyAllLocked is applyLocked for a member, and for the coaches, who may have
// waited for it.
func (x *room) applyAllLocked(m *attending) {
	x.applyLocked(m)
	for _, other := range x.members {
		if other.role == roleCoach && other != m {
			x.applyLocked(other)
		}
	}
}

// change gives a member another role.
func (r *Rooms) change(m *attending, role, coach string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.role, m.opts.Coach = role, coach
	m.room.applyAllLocked(m)
}

// findLocked is the member of a number, call id, call id with its leg, or
// name; nil when there is none.
func (x *room) findLocked(ref string) *attending {
	var other *attending // another party of the call that is meant
	for _, m := range x.members {
		id := m.leg.call.ID()
		switch {
		case ref == strconv.Itoa(m.id), ref == id && m.leg == m.leg.call.main, ref == id+"/"+m.leg.name, ref == m.who:
			return m
		case ref == id && other == nil:
			other = m
		}
	}
	return other
}

// leave takes a member out; the last one ends the conference.
func (r *Rooms) leave(m *attending, by string) {
	x := m.room
	r.mu.Lock()
	at := slices.Index(x.members, m)
	if at < 0 {
		r.mu.Unlock()
		return
	}
	x.members = slices.Delete(x.members, at, at+1)
	now := r.Clock.Now()
	told := []RoomEvent{{Kind: "left", Member: m.infoLocked(), EndedBy: by, DurationMs: now.Sub(m.since).Milliseconds()}}
	if len(x.members) == 0 {
		told = append(told, RoomEvent{Kind: "ended", DurationMs: now.Sub(x.began).Milliseconds()})
		if r.rooms[x.name] == x {
			delete(r.rooms, x.name)
		}
	}
	r.completeLocked(x, told)
	r.mu.Unlock()
	m.leg.session.Unmix()
	if len(told) > 1 {
		x.mixer.Close()
	}
	r.tell(x, m, told)
}

// handOver gives a member's place to who has taken over its leg: the others hear
// of one who left and one who joined, under the same number.
func (r *Rooms) handOver(m *attending, who string) {
	x := m.room
	r.mu.Lock()
	now := r.Clock.Now()
	told := []RoomEvent{{Kind: "left", Member: m.infoLocked(), EndedBy: "transfer", DurationMs: now.Sub(m.since).Milliseconds()}}
	m.who = who
	x.applyAllLocked(m)
	told = append(told, RoomEvent{Kind: "joined", Member: m.infoLocked()})
	r.completeLocked(x, told)
	r.mu.Unlock()
	r.tell(x, m, told)
}

// completeLocked fills in what every event says.
func (r *Rooms) completeLocked(x *room, told []RoomEvent) {
	for i := range told {
		told[i].Conference, told[i].ID, told[i].Members, told[i].Recording = x.name, x.id, len(x.members), x.rec
	}
}

// tell passes events on: to whoever observes, to scripts that watch, and to the
// other members' timelines.
func (r *Rooms) tell(x *room, about *attending, told []RoomEvent) {
	r.mu.Lock()
	var watch []*roomWatch
	for w := range r.watchers {
		if w.name == x.name {
			watch = append(watch, w)
		}
	}
	others := slices.Clone(x.members)
	tones := x.tones
	r.mu.Unlock()
	for _, ev := range told {
		for _, w := range watch {
			w.tell(ev)
		}
		if r.Told != nil {
			r.Told(ev)
		}
		if ev.Kind != "joined" && ev.Kind != "left" {
			continue
		}
		if tones && about.role != roleListen && !about.supervisor {
			x.chime(about, ev.Kind)
		}
		for _, m := range others {
			m.hear(about, ev, others)
		}
	}
}

// event takes what the mixer reports, on the media engine's goroutine.
func (x *room) event(ev media.Event) {
	x.hub.mu.Lock()
	done := x.plays[ev.Play]
	if ev.Kind == media.PlayEnded {
		delete(x.plays, ev.Play)
	}
	file := x.file
	x.hub.mu.Unlock()
	switch {
	case ev.Kind == media.PlayEnded && done != nil:
		r := PromptResult{Completed: ev.Completed, PlayedMs: ev.PlayedMs}
		if ev.TotalMs > 0 {
			r.Percent = min(ev.PlayedMs*100/ev.TotalMs, 100)
		}
		done(r)
	case ev.Kind == media.RecordEnded && file != nil:
		x.stored(file, time.Duration(ev.DurationMs)*time.Millisecond, ev.Err)
	}
}

// stored gives the recording's file back, away from the media engine's goroutine.
func (x *room) stored(f *os.File, d time.Duration, err error) {
	clk := x.hub.Clock
	clk.Busy(1)
	go func() {
		defer clk.Busy(-1)
		x.hub.Recordings.Done(f, Recorded{ID: x.id, Duration: d}, err)
	}()
}
