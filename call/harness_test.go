package call

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/sip"
)

// world is a call with everything around it on a virtual clock: dialogs in
// process, RTP on a media fabric, no sockets.
type world struct {
	t      *testing.T
	clk    *clock.Virtual
	fabric *media.Fabric
	engine *media.Engine
	phones *media.Engine
	deps   Deps
	call   *Call

	mu      sync.Mutex
	callees map[string]func(*phone) // how a dialled place behaves
	dialled []*phone
	record  *Record
	results []string
	said    int // outcomes, tags and first keys
	events  []string
	dir     string
	disk    func(id string) (*os.File, error) // opens recordings; nil: in dir
	early   EarlyMedia                        // of every route

	noteTones bool                                  // of all routes
	follow    func(sip.Address) ([]Route, error)    // of all routes
	seize     func() (func(), time.Duration, error) // of all routes
	news      []RouteNews
}

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clk: clock.NewVirtual(start), callees: map[string]func(*phone){}, dir: t.TempDir()}
	log := slog.New(slog.DiscardHandler)
	fabric := media.NewFabric(w.clk)
	w.fabric = fabric
	var err error
	if w.engine, err = media.NewEngine(media.Config{PortMin: 40000, PortMax: 40099, Shards: 1, Fabric: fabric}, w.clk, log); err != nil {
		t.Fatal(err)
	}
	if w.phones, err = media.NewEngine(media.Config{PortMin: 50000, PortMax: 50099, Shards: 1, Fabric: fabric}, w.clk, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.record == nil && w.call != nil {
			w.call.Hangup("system")
			w.pass(20 * time.Second)
		}
		_ = w.engine.Close()
		_ = w.phones.Close()
	})
	w.deps = Deps{
		Clock: w.clk, Log: log, Open: w.engine.Open, Dialer: w, Prompts: w, Recordings: w, Observer: w, Counters: &Counters{},
		Apology: func(string) *sound.Prompt { return tone("tone:300/500ms") },
	}
	return w
}

func tone(spec string) *sound.Prompt {
	p, err := sound.Tone(spec)
	if err != nil {
		panic(err)
	}
	return p
}

// pass lets virtual time go by.
func (w *world) pass(d time.Duration) { w.clk.Advance(d) }

// Ready implements Prompts: "tone:…" plays, "missing.wav" fails, text is a
// tone of 50 ms a character.
func (w *world) Ready(r PromptRequest) ([]*sound.Prompt, bool) {
	var out []*sound.Prompt
	for _, p := range r.Parts {
		switch {
		case p.Play == "missing.wav":
			return nil, false
		case strings.Contains(p.Play, ":"):
			out = append(out, tone(p.Play))
		default:
			out = append(out, sound.NewPrompt(make([]int16, 400*len(p.Text+p.Play))))
		}
	}
	return out, true
}

// Load implements Prompts.
func (w *world) Load(context.Context, PromptRequest) ([]*sound.Prompt, error) {
	return nil, fault.New(fault.NotFound, "prompt file missing.wav not found")
}

// Create implements Recordings.
func (w *world) Create(id, _ string) (*os.File, error) {
	if w.disk != nil {
		return w.disk(id)
	}
	return os.Create(filepath.Join(w.dir, id+".wav"))
}

// Format implements Recordings.
func (w *world) Format(string) error { return nil }

// Done implements Recordings.
func (w *world) Done(f *os.File, done Recorded, err error) {
	id := done.ID
	if err = errors.Join(err, f.Close()); err != nil {
		w.say("failed " + id + ": " + err.Error())
		return
	}
	w.say("stored " + id)
}

func (w *world) say(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, s)
}

func (w *world) Ringing(*Call)                    { w.say("ringing") }
func (w *world) Answered(*Call)                   { w.say("answered") }
func (w *world) Said(*Call)                       { w.mu.Lock(); w.said++; w.mu.Unlock() }
func (w *world) DeadAir(_ *Call, d time.Duration) { w.say("dead air " + d.String()) }

func (w *world) Result(_ *Call, r json.RawMessage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results = append(w.results, string(r))
}

func (w *world) Ended(_ *Call, r Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.record != nil {
		w.t.Error("the record was written twice")
	}
	w.record = &r
}

// final is the record; it must be there.
func (w *world) final() Record {
	w.t.Helper()
	w.clk.Settle()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.record == nil {
		w.t.Fatalf("the call has not ended:\n%s", w.story())
	}
	return *w.record
}

func (w *world) story() string {
	var b strings.Builder
	for _, e := range w.call.Timeline().Entries() {
		b.WriteString(strings.Join([]string{time.Duration(e.AtMs * 1e6).String(), e.Leg, e.Kind, e.Detail, "\n"}, " "))
	}
	return b.String()
}

// Resolve implements Dialer: "a,b" are two places at once, "nobody" is none.
func (w *world) Resolve(r DialRequest) ([]Place, error) {
	switch r.Target {
	case "nobody":
		return nil, nil
	case "denied":
		return nil, fault.New(fault.Denied, "no trunk may dial it")
	}
	var out []Place
	for _, name := range strings.Split(r.Target, ",") {
		p := Place{Name: name}
		for _, trunk := range strings.Split(name, "|") {
			p.Routes = append(p.Routes, Route{Trunk: trunk, Outgoing: sip.Outgoing{Target: sip.Target{URI: trunk}}, Media: media.SessionOptions{Bind: loopback}, Early: w.early, NoteTones: w.noteTones, Follow: w.follow, Seize: w.seize, Tell: func(n RouteNews) { w.news = append(w.news, n) }})
		}
		out = append(out, p)
	}
	return out, nil
}

// Referral implements Dialer.
func (w *world) Referral(r DialRequest, trunk, peer string) (string, error) {
	if r.Target == "nobody" {
		return "", fault.New(fault.NotFound, "nobody")
	}
	if strings.HasPrefix(r.Target, "sip:") {
		return r.Target, nil
	}
	return "sip:" + r.Target + "@" + trunk + "." + peer, nil
}

// Dial implements Dialer.
func (w *world) Dial(o sip.Outgoing) (Dialog, error) {
	behave, ok := w.callees[o.Target.URI]
	if !ok {
		return nil, fault.New(fault.Network, "unreachable")
	}
	p := w.phone(o.Target.URI)
	p.offer, p.out = o.Body, o
	w.mu.Lock()
	w.dialled = append(w.dialled, p)
	w.mu.Unlock()
	w.clk.AfterFunc(0, func() { behave(p) })
	return p, nil
}

// callee is the phone dialled under a name.
func (w *world) callee(name string) *phone {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.dialled {
		if p.name == name {
			return p
		}
	}
	w.t.Fatalf("%s was not dialled", name)
	return nil
}

var loopback = netip.MustParseAddr("127.0.0.1")

// phone is the other side of a leg: the far end of a dialog and a media
// session that hears.
type phone struct {
	w       *world
	name    string
	session *media.Session
	events  chan sip.Event
	offer   []byte       // towards the call for callers, from it for callees
	out     sip.Outgoing // of callees
	closed  bool
	mute    bool // sends no ACK
	settled bool // takes no offer before our answer

	mu      sync.Mutex
	log     []string
	final   int
	voice   time.Duration
	from    time.Time
	talking bool
	digits  string
}

func (w *world) phone(name string) *phone {
	p := &phone{w: w, name: name, events: make(chan sip.Event, 256)}
	s, err := w.phones.Open(media.SessionOptions{Bind: loopback, Voice: 100 * time.Millisecond, Sink: p.heard})
	if err != nil {
		w.t.Fatal(err)
	}
	p.session = s
	return p
}

func (p *phone) heard(ev media.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev.Kind {
	case media.DigitBegan:
		p.digits += string(ev.Digit)
	case media.VoiceBegan:
		p.talking, p.from = true, ev.At
	case media.VoiceEnded:
		p.talking = false
		p.voice += ev.At.Sub(p.from)
	}
}

// hears reports whether the phone hears something right now.
func (p *phone) hears() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.talking
}

func (p *phone) note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, s)
}

func (p *phone) did(s string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.log {
		if l == s {
			return true
		}
	}
	return false
}

// send queues an event for the call.
func (p *phone) send(ev sip.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	ev.At = p.w.clk.Now()
	p.w.clk.Busy(1)
	p.events <- ev
	if ev.Kind == sip.Ended {
		p.closed = true
		close(p.events)
		p.session.Close()
	}
}

// What a caller or callee does.

func (p *phone) ring() { p.send(sip.Event{Kind: sip.Provisional, Code: 180, Reason: "Ringing"}) }

func (p *phone) pickUp() {
	answer, err := p.session.Answer(p.offer)
	if err != nil {
		p.w.t.Error(err)
	}
	p.session.Start()
	p.send(sip.Event{Kind: sip.Answered, Code: 200, Body: answer})
}

func (p *phone) refuse(code int) {
	p.send(sip.Event{Kind: sip.Ended, Code: code, Reason: sip.ReasonRejected, Remote: true})
}

// redirect sends the call to others.
func (p *phone) redirect(code int, contacts string) {
	p.send(sip.Event{Kind: sip.Ended, Code: code, Reason: sip.ReasonRejected, Remote: true, Headers: sip.Headers{{Name: "Contact", Value: contacts}}})
}

func (p *phone) bye() {
	p.send(sip.Event{Kind: sip.Ended, Code: 200, Reason: sip.ReasonBye, Remote: true})
}

func (p *phone) press(keys string) {
	if err := p.session.SendDigits(keys); err != nil {
		p.w.t.Error(err)
	}
}

func (p *phone) speak(spec string) {
	p.session.Play(media.Playback{Parts: []*sound.Prompt{tone(spec)}})
}

// The near side: call.Dialog.

func (p *phone) ID() string               { return p.name }
func (p *phone) Headers() sip.Headers     { return nil }
func (p *phone) Offer() []byte            { return p.offer }
func (p *phone) Events() <-chan sip.Event { return p.events }
func (p *phone) Info(string, []byte) error {
	p.note("info")
	p.w.clk.AfterFunc(0, func() { p.send(sip.Event{Kind: sip.Sent, Code: 200}) })
	return nil
}

func (p *phone) Provisional(code int, _ string, body []byte, _ ...sip.Header) error {
	p.note(itoa(code))
	if len(body) > 0 {
		p.take(body)
	}
	return nil
}

func (p *phone) take(body []byte) {
	if err := p.session.Accept(body); err != nil {
		p.w.t.Error(err)
	}
	p.session.Start()
}

// got notes the headers that came.
func (p *phone) got(headers []sip.Header) {
	for _, h := range headers {
		p.note(h.Name + ": " + h.Value)
	}
}

func (p *phone) Accept(body []byte, h ...sip.Header) error {
	p.note("200")
	p.got(h)
	p.take(body)
	p.w.clk.AfterFunc(0, func() {
		if !p.mute {
			p.send(sip.Event{Kind: sip.Confirmed})
		}
	})
	return nil
}

func (p *phone) Reject(code int, reason string, h ...sip.Header) error {
	p.got(h)
	p.note("reason " + reason)
	p.mu.Lock()
	p.final = code
	p.mu.Unlock()
	p.note(itoa(code))
	p.w.clk.AfterFunc(0, func() { p.send(sip.Event{Kind: sip.Ended, Code: code, Reason: sip.ReasonRejected}) })
	return nil
}

func (p *phone) Hangup(h ...sip.Header) {
	p.got(h)
	p.note("hung up")
	p.w.clk.AfterFunc(0, func() { p.send(sip.Event{Kind: sip.Ended, Reason: sip.ReasonBye}) })
}

func (p *phone) Reoffer(body []byte) error {
	p.note("reoffer")
	if p.settled && !p.did("200") {
		p.w.clk.AfterFunc(0, func() { p.send(sip.Event{Kind: sip.Reoffered, Code: 491}) })
		return nil
	}
	answer, err := p.session.Answer(body)
	if err != nil {
		return err
	}
	p.w.clk.AfterFunc(0, func() { p.send(sip.Event{Kind: sip.Reoffered, Code: 200, Body: answer}) })
	return nil
}

func (p *phone) Respond(_ uint64, code int, body []byte) error {
	p.note("respond " + itoa(code))
	if len(body) > 0 && code == 200 {
		p.take(body)
	}
	return nil
}

func (p *phone) Message(kind string, body []byte) error {
	p.note("message " + string(body))
	p.w.clk.AfterFunc(0, func() { p.send(sip.Event{Kind: sip.Sent, Code: 200}) })
	return nil
}

func (p *phone) Consent(_ uint64, code int) error { p.note("consent " + itoa(code)); return nil }

func (p *phone) Progress(_ uint64, code int, _ string) error {
	p.note("progress " + itoa(code))
	return nil
}

func (p *phone) Replacement() string { return "sip:" + p.name + "@there?Replaces=" + p.name }

func (p *phone) Refer(target string, h ...sip.Header) error {
	p.got(h)
	p.note("refer " + target)
	return nil
}

// inbound starts a call from a phone, with the script played by the test.
func (w *world) inbound(spec Spec) *phone {
	w.t.Helper()
	p := w.phone("caller")
	p.offer = p.session.Offer()
	if spec.ID == "" {
		spec.ID, spec.Order, spec.Script = "c1.1", "c1", "test"
	}
	spec.Session.Bind = loopback
	spec.From, spec.To = Party{User: "+79160000001", E164: "+79160000001"}, Party{User: "+74950000000", E164: "+74950000000"}
	w.call = New(spec, w.deps)
	w.call.Inbound(p)
	w.call.Attach(w)
	w.pass(0)
	return p
}

// The test is the script: call.Script.

func (w *world) Notify(name string, data any) {
	b, _ := json.Marshal(data)
	w.say(name + " " + string(b))
}

func (w *world) Callback(id uint32, args ...any) {
	b, _ := json.Marshal(args)
	w.say("callback " + itoa(int(id)) + " " + string(b))
}

func (w *world) End(reason string) {
	w.say("end " + reason)
	w.call.ScriptEnded(errHangup())
}

func (w *world) told(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if strings.Contains(e, what) {
			return true
		}
	}
	return false
}

// reply is the answer of a verb.
type reply struct {
	mu    sync.Mutex
	done  int
	value any
	err   error
}

// do runs a verb on the first leg.
func (w *world) do(f func(*Leg, Verb)) *reply {
	r := &reply{}
	w.call.Do(func() {
		f(w.call.main, Verb{At: "test.js:1:1", Reply: func(v any, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.value, r.err = v, err
			if r.done++; r.done > 1 {
				w.t.Error("a verb was answered twice")
			}
		}})
	})
	w.pass(0)
	return r
}

// get is the answer as JSON, or the error's code; "…" while there is none.
func (r *reply) get() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.done == 0:
		return "…"
	case r.err != nil:
		return string(fault.CodeOf(r.err))
	}
	b, _ := json.Marshal(r.value)
	return string(b)
}

// want compares the answer.
func (w *world) want(r *reply, want string) {
	w.t.Helper()
	if got := r.get(); got != want {
		w.t.Fatalf("answer %s, want %s\n%s", got, want, w.story())
	}
}

func (w *world) answer() {
	w.t.Helper()
	r := w.do(func(l *Leg, v Verb) { l.Answer(v) })
	w.pass(20 * time.Millisecond)
	w.want(r, "null")
}

func babble(text string) []Part { return []Part{{Text: text}} }
