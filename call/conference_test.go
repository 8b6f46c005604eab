package call

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/audio"
)

// hall is several calls that share the rooms of one engine.
type hall struct {
	*world
	rooms *Rooms
	mu    sync.Mutex
	told  []string
}

func newHall(t *testing.T) *hall {
	h := &hall{world: newWorld(t)}
	n := 0
	h.rooms = &Rooms{
		Clock: h.clk, NewMixer: h.engine.NewMixer, Recordings: h.world, NewID: func() string { n++; return fmt.Sprint("room", n) },
		Told: func(ev RoomEvent) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.told = append(h.told, strings.TrimSpace(fmt.Sprint(ev.Kind, " ", ev.Conference, " ", ev.Members, " ", ev.Member.Who, " ", ev.EndedBy)))
		},
	}
	h.deps.Rooms, h.deps.NewMixer = h.rooms, h.engine.NewMixer
	return h
}

// guest is one call with a phone that hears.
type guest struct {
	*phone
	h    *hall
	call *Call
	pcm  []int16 // what it has heard, at 8 kHz
	said []string
	mu   sync.Mutex
}

// Notify, Callback and End are the guest's script.
func (g *guest) Notify(string, any) {}
func (g *guest) Callback(id uint32, args ...any) {
	b, _ := json.Marshal(args)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said = append(g.said, fmt.Sprint(id, string(b)))
}
func (g *guest) End(string) { g.call.ScriptEnded(errHangup()) }

// mute observers: the world's is for one call.
type nobodyHears struct{}

func (nobodyHears) Ringing(*Call)                 {}
func (nobodyHears) Answered(*Call)                {}
func (nobodyHears) Result(*Call, json.RawMessage) {}
func (nobodyHears) Said(*Call)                    {}
func (nobodyHears) Ended(*Call, Record)           {}
func (nobodyHears) DeadAir(*Call, time.Duration)  {}

// come is a call from a number that is answered.
func (h *hall) come(number string) *guest {
	h.t.Helper()
	g := &guest{h: h, phone: h.phone(number)}
	g.offer = g.session.Offer()
	deps := h.deps
	deps.Observer = nobodyHears{}
	g.call = New(Spec{
		ID: number + ".1", Order: number, Script: "test", Session: media.SessionOptions{Bind: loopback},
		From: Party{User: number}, To: Party{User: "+74950000000"},
	}, deps)
	g.call.Inbound(g.phone)
	g.call.Attach(g)
	g.tapped()
	h.t.Cleanup(func() {
		if !g.closed {
			g.bye()
		}
		h.pass(6 * time.Second)
	})
	h.pass(0)
	return g
}

// tapped keeps what the phone hears.
func (p *guest) tapped() {
	tap := media.NewTap(media.TapOptions{Inbound: true})
	p.session.Tap(tap)
	go func() {
		for f := range tap.Frames() {
			p.mu.Lock()
			p.pcm = append(p.pcm, f.PCM[:]...)
			p.mu.Unlock()
			tap.Release(f)
		}
	}()
}

// verb runs a verb on the guest's first leg.
func (g *guest) verb(f func(*Leg, Verb)) *reply {
	r := &reply{}
	g.call.Do(func() {
		f(g.call.main, Verb{At: "test.js:1:1", Reply: func(v any, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.value, r.err = v, err
			if r.done++; r.done > 1 {
				g.h.t.Error("a verb was answered twice")
			}
		}})
	})
	g.h.pass(40 * time.Millisecond)
	return r
}

func (g *guest) join(o ConferenceOptions) *reply {
	if o.Name == "" {
		o.Name = "sales"
	}
	if o.Role == "" {
		o.Role = roleMember
	}
	return g.verb(func(l *Leg, v Verb) { l.Attend(o, v) })
}

// tones are which of the frequencies the guest has heard in the last tenth of a
// second, by their level.
func (g *guest) tones(all ...float64) (out []float64) {
	g.h.clk.Settle()
	g.mu.Lock()
	defer g.mu.Unlock()
	n := audio.SampleRate / 10 // short: the tap follows a drifting clock by a sample a packet
	if len(g.pcm) < n {
		return nil
	}
	for _, hz := range all {
		re, im := 0.0, 0.0
		for i, v := range g.pcm[len(g.pcm)-n:] {
			w := (0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n))) * float64(v)
			re += w * math.Cos(2*math.Pi*hz*float64(i)/audio.SampleRate)
			im += w * math.Sin(2*math.Pi*hz*float64(i)/audio.SampleRate)
		}
		if 4*math.Hypot(re, im)/float64(n) > 500 {
			out = append(out, hz)
		}
	}
	return out
}

func (g *guest) wantTones(when string, want ...float64) {
	g.h.t.Helper()
	if got := g.tones(400, 900, 1500); !slices.Equal(got, want) {
		g.h.t.Errorf("%s: %s hears %v, want %v", when, g.name, got, want)
	}
}

func (h *hall) wantState(want ...string) {
	h.t.Helper()
	var got []string
	for _, r := range h.rooms.List() {
		for _, m := range r.Members {
			got = append(got, fmt.Sprint(r.Name, " ", m.ID, " ", m.Who, " ", m.Role, " ", m.Muted))
		}
	}
	if !slices.Equal(got, want) {
		h.t.Fatalf("members %q, want %q", got, want)
	}
}

func TestConferenceOfThree(t *testing.T) {
	h := newHall(t)
	a, b, c := h.come("1"), h.come("2"), h.come("3")
	ja := a.join(ConferenceOptions{Music: []Part{{Play: "tone:1500"}}})
	h.pass(time.Second)
	a.wantTones("alone", 1500)
	jb := b.join(ConferenceOptions{HangupOn: "*0", Keys: map[string]uint32{"*6": 7}})
	jc := c.join(ConferenceOptions{Muted: true})
	a.speak("tone:400")
	b.speak("tone:900")
	c.speak("tone:1500")
	h.pass(time.Second)
	a.wantTones("c muted", 900)
	b.wantTones("c muted", 400)
	c.wantTones("c muted", 400, 900)
	h.wantState("sales 1 1 member false", "sales 2 2 member false", "sales 3 3 member true")
	if err := h.rooms.Mute("sales", "3", false); err != nil {
		t.Fatal(err)
	}
	h.pass(time.Second)
	a.wantTones("c speaks", 900, 1500)
	b.press("*6")
	h.pass(time.Second)
	if len(b.said) != 1 || b.said[0] != `7[{"key":"*6"}]` {
		t.Errorf("callbacks %q", b.said)
	}
	b.press("*0")
	h.pass(time.Second)
	if got := jb.get(); !strings.HasPrefix(got, `{"status":"completed","endedBy":"caller","talkMs":`) {
		t.Errorf("b left with %s", got)
	}
	if err := h.rooms.Kick("sales", "3.1"); err != nil {
		t.Fatal(err)
	}
	h.pass(time.Second)
	if got := jc.get(); !strings.Contains(got, `"endedBy":"kicked"`) {
		t.Errorf("c left with %s", got)
	}
	a.bye()
	h.pass(time.Second)
	if got := ja.get(); !strings.Contains(got, `"endedBy":"caller"`) || !strings.Contains(got, `"member":1`) {
		t.Errorf("a left with %s", got)
	}
	h.wantState()
	if m := h.engine.Stats().Mixers; m != 0 {
		t.Errorf("%d mixers are left", m)
	}
	want := []string{"began sales 1", "joined sales 1 1", "joined sales 2 2", "joined sales 3 3", "unmuted sales 3 3", "left sales 2 2 caller", "left sales 1 3 kicked", "left sales 0 1 caller", "ended sales 0"}
	if !slices.Equal(h.told, want) {
		t.Errorf("told %q, want %q", h.told, want)
	}
	story := ""
	for _, e := range a.call.Timeline().Entries() {
		story += e.Detail + "\n"
	}
	for _, line := range []string{`1 joined "sales" as member, 1 there`, `3 joined "sales" as member, 3 there`, `2 left "sales", 2 there`, `left "sales": caller`} {
		if !strings.Contains(story, line) {
			t.Errorf("the timeline lacks %q:\n%s", line, story)
		}
	}
}

// TestAMemberTransfers: the transfer key of a member's phone gives its place to
// who answers, also when that phone hangs up at once; without consent it stays.
func TestAMemberTransfers(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		h := newHall(t)
		h.deps.Transfers = desk{h.world}
		h.callees["bob"] = answers(h.world, time.Second)
		a, b := h.come("1"), h.come("2")
		a.join(ConferenceOptions{})
		joined := b.join(ConferenceOptions{Muted: true})
		h.pass(time.Second)
		decide := func(allow bool) {
			b.call.Do(func() { b.call.main.Decide(allow, "", 603, Verb{Reply: func(any, error) {}}) })
			h.pass(0)
		}
		b.asks("bob@x")
		decide(false)
		if !b.did("consent 603") {
			t.Fatal(b.log)
		}
		b.asks("bob@x")
		decide(true)
		if leaves {
			b.bye()
		}
		h.pass(2 * time.Second)
		bob := h.callee("bob")
		if !b.did("consent 202") || !leaves && !b.did("progress 200") {
			t.Fatal(b.log)
		}
		h.wantState("sales 1 1 member false", "sales 2 bob member true")
		a.speak("tone:600/600ms")
		h.pass(300 * time.Millisecond)
		if !bob.hears() {
			t.Error("bob does not hear the room")
		}
		if err := h.rooms.Mute("sales", "bob", false); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Second)
		bob.speak("tone:900/1s")
		h.pass(500 * time.Millisecond)
		a.wantTones("after the transfer", 900)
		bob.bye()
		h.pass(time.Second)
		if got := joined.get(); !strings.Contains(got, `"endedBy":"caller"`) || !strings.Contains(got, `"member":2`) {
			t.Error(got)
		}
		want := []string{"began sales 1", "joined sales 1 1", "joined sales 2 2", "left sales 2 2 transfer", "joined sales 2 bob", "unmuted sales 2 bob", "left sales 1 bob caller"}
		if !slices.Equal(h.told, want) {
			t.Errorf("told %q, want %q", h.told, want)
		}
	}
}

// Music that is not there is told, with its place, once; the conference goes on.
func TestConferenceMusicThatIsNotThere(t *testing.T) {
	h := newHall(t)
	said := &strings.Builder{}
	h.deps.Log = slog.New(slog.NewTextHandler(said, nil))
	a, b := h.come("101"), h.come("102")
	a.join(ConferenceOptions{Music: []Part{{Play: "missing.wav"}}})
	b.join(ConferenceOptions{})
	b.bye()
	h.pass(time.Second)
	told := 0
	for _, e := range a.call.Timeline().Entries() {
		if e.Kind == "error" && strings.Contains(e.Detail, "missing.wav not found") && e.Source == "test.js:1:1" {
			told++
		}
	}
	if log := said.String(); told != 1 || strings.Count(log, "missing.wav") != 1 || !strings.Contains(log, "code=NOT_FOUND") || !strings.Contains(log, "at=test.js:1:1") {
		t.Errorf("told %d times\n%s", told, log)
	}
	h.wantState("sales 1 101 member false")
}

func TestConferenceDoors(t *testing.T) {
	h := newHall(t)
	h.rooms.Limits = func() (int, int, time.Duration) { return 1, 2, time.Hour }
	a, b, c := h.come("1"), h.come("2"), h.come("3")
	pin := ConferenceOptions{PIN: "42", PINTries: 2, PINPrompt: []Part{{Play: "tone:300/100ms"}}}
	ja := a.join(pin)
	h.pass(time.Second)
	a.press("41")
	h.pass(3 * time.Second)
	h.wantState()
	a.press("42")
	h.pass(2 * time.Second)
	h.wantState("sales 1 1 member false")
	for _, e := range a.call.Timeline().Entries() {
		if e.Kind == "digit" && !strings.HasPrefix(e.Detail, "•") {
			t.Errorf("the timeline shows %q", e.Detail)
		}
	}
	jb := b.join(pin)
	b.press("1#")
	h.pass(4 * time.Second)
	b.press("2#")
	h.pass(4 * time.Second)
	if got := jb.get(); got != `{"status":"denied","talkMs":0}` {
		t.Errorf("wrong twice: %s", got)
	}
	b.join(ConferenceOptions{})
	if got := c.join(ConferenceOptions{}).get(); got != `{"status":"full","talkMs":0}` {
		t.Errorf("a third of two: %s", got)
	}
	if got := c.join(ConferenceOptions{Name: "other"}).get(); got != "LIMIT" {
		t.Errorf("a second room of one: %s", got)
	}
	if got := c.join(ConferenceOptions{Name: "a/b"}).get(); got != "INVALID" {
		t.Errorf("a name with a slash: %s", got)
	}
	if CheckConference(strings.Repeat("x", MaxConferenceName)) != nil || CheckConference(strings.Repeat("x", MaxConferenceName+1)) == nil {
		t.Error("the length of a name")
	}
	if got := a.join(ConferenceOptions{}).get(); got != "CONFLICT" {
		t.Errorf("twice: %s", got)
	}
	if err := h.rooms.Close("sales"); err != nil {
		t.Fatal(err)
	}
	h.pass(time.Second)
	if got := ja.get(); !strings.Contains(got, `"endedBy":"closed"`) {
		t.Errorf("closed: %s", got)
	}
	if h.rooms.Refused.Load() != 2 || h.rooms.Close("sales") == nil || h.rooms.Kick("sales", "1") == nil {
		t.Errorf("refused %d", h.rooms.Refused.Load())
	}
	late := c.join(ConferenceOptions{PIN: "1", PINPrompt: []Part{{Play: "tone:300"}}})
	c.bye()
	h.pass(time.Second)
	if got := late.get(); got != `{"status":"abandoned","endedBy":"caller","talkMs":0}` {
		t.Errorf("gone before the PIN: %s", got)
	}
}

func TestConferenceRecordingAndSay(t *testing.T) {
	h := newHall(t)
	a, b := h.come("1"), h.come("2")
	a.join(ConferenceOptions{Record: true, Tones: true})
	jb := b.join(ConferenceOptions{})
	a.speak("tone:400")
	said := a.verb(func(l *Leg, v Verb) {
		l.call.ConferenceSay("sales", []Part{{Play: "tone:1500/2s"}}, PromptOptions{}, v)
	})
	h.pass(time.Second)
	b.wantTones("said to all", 400, 1500)
	a.wantTones("said to all", 1500)
	h.pass(2 * time.Second)
	if got := said.get(); got != `{"completed":true,"playedMs":2000,"percent":100}` {
		t.Errorf("say: %s", got)
	}
	b.bye()
	h.pass(time.Second)
	if got := jb.get(); !strings.Contains(got, `"recording":{"id":"room1"`) || !strings.Contains(got, `"reason":"hangup"`) {
		t.Errorf("result %s", got)
	}
	a.bye()
	h.pass(7 * time.Second)
	if !h.world.told("stored room1") {
		t.Error("the recording was not stored")
	}
	file, err := os.ReadFile(filepath.Join(h.dir, "room1.wav"))
	if err != nil || len(file) < 4*2*audio.SampleRate {
		t.Fatalf("%d bytes, %v", len(file), err)
	}
}

func TestCoachInAConference(t *testing.T) {
	h := newHall(t)
	boss, agent, customer := h.come("boss"), h.come("agent"), h.come("customer")
	boss.join(ConferenceOptions{Role: roleCoach, Coach: "agent"}) // who is not there yet
	agent.join(ConferenceOptions{})
	customer.join(ConferenceOptions{})
	agent.speak("tone:400")
	customer.speak("tone:900")
	boss.speak("tone:1500")
	h.pass(time.Second)
	agent.wantTones("coached", 900, 1500)
	customer.wantTones("coached", 400)
	boss.wantTones("coached", 400, 900)
}

// A supervisor listens to a bridged call, coaches, barges and leaves.
func TestSupervise(t *testing.T) {
	h := newHall(t)
	caller := h.come("customer")
	dialled := map[string]*guest{}
	for _, name := range []string{"agent", "boss"} {
		h.callees[name] = func(p *phone) {
			g := &guest{phone: p, h: h}
			g.tapped()
			dialled[name] = g
			p.pickUp()
		}
	}
	busy := func(p *phone) { p.refuse(486) }
	h.callees["busy"] = busy
	supervise := func(mode, to string) *reply {
		r := caller.verb(func(l *Leg, v Verb) {
			l.call.Supervise(mode, DialRequest{Target: to, Timeout: 10 * time.Second}, v)
		})
		h.pass(time.Second)
		return r
	}
	talk := caller.verb(func(l *Leg, v Verb) {
		l.Connect(ConnectOptions{Targets: []DialRequest{{Target: "agent"}}, Timeout: 10 * time.Second}, v)
	})
	h.pass(time.Second)
	if got := supervise(Coach, "").get(); got != "CONFLICT" {
		t.Errorf("nobody to change: %s", got)
	}
	if got := supervise(Listen, "busy").get(); got != `{"state":"failed","mode":"listen","status":"busy","code":486}` {
		t.Errorf("busy: %s", got)
	}
	crowd := func(on bool) {
		caller.call.Do(func() {
			for i := range MaxSupervisors {
				name := "x" + itoa(i)
				if delete(caller.call.legs, name); on {
					caller.call.legs[name] = &Leg{call: caller.call, name: name, supervises: &supervisor{}}
				}
			}
		})
		h.pass(0)
	}
	crowd(true)
	if got := supervise(Listen, "boss").get(); got != "LIMIT" || h.deps.Counters.Refused.Load() != 1 {
		t.Errorf("one too many: %s", got)
	}
	crowd(false)
	agent := dialled["agent"]
	caller.speak("tone:900")
	agent.speak("tone:400")
	if got := supervise(Listen, "boss").get(); !strings.HasPrefix(got, `{"state":"joined","mode":"listen","leg":"`) {
		t.Fatalf("listen: %s", got)
	}
	boss := dialled["boss"]
	boss.speak("tone:1500")
	check := func(when string, a, c, b []float64) {
		t.Helper()
		h.pass(time.Second)
		agent.wantTones(when, a...)
		caller.wantTones(when, c...)
		boss.wantTones(when, b...)
	}
	check("listen", []float64{900}, []float64{400}, []float64{400, 900})
	supervise(Coach, "")
	check("coach", []float64{900, 1500}, []float64{400}, []float64{400, 900})
	supervise(Barge, "")
	check("barge", []float64{900, 1500}, []float64{400, 1500}, []float64{400, 900})
	boss.bye()
	h.pass(time.Second)
	agent.wantTones("left", 900)
	caller.wantTones("left", 400)
	if h.engine.Stats().Mixers != 0 || talk.get() != "…" {
		t.Errorf("%d mixers, talk %s", h.engine.Stats().Mixers, talk.get())
	}
	agent.bye()
	h.pass(time.Second)
	if got := talk.get(); !strings.Contains(got, `"endedBy":"callee"`) {
		t.Errorf("talk %s", got)
	}
}

// A supervisor of a call that is in a conference joins that.
func TestSuperviseAConference(t *testing.T) {
	h := newHall(t)
	a, b := h.come("1"), h.come("2")
	a.join(ConferenceOptions{})
	b.join(ConferenceOptions{})
	var boss *guest
	h.callees["boss"] = func(p *phone) {
		boss = &guest{phone: p, h: h}
		boss.tapped()
		p.pickUp()
	}
	a.verb(func(l *Leg, v Verb) {
		l.call.Supervise(Coach, DialRequest{Target: "boss", Timeout: 10 * time.Second}, v)
	})
	h.pass(time.Second)
	a.speak("tone:400")
	b.speak("tone:900")
	boss.speak("tone:1500")
	h.pass(time.Second)
	a.wantTones("coach", 900, 1500)
	b.wantTones("coach", 400)
	boss.wantTones("coach", 400, 900)
	h.wantState("sales 1 1 member false", "sales 2 2 member false", "sales 3 boss coach false")
	if err := h.rooms.Kick("sales", "1"); err != nil {
		t.Fatal(err)
	}
	h.pass(time.Second)
	h.wantState("sales 2 2 member false")
}
