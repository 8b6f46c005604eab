package testrun

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/sip"
	"github.com/loopstart/loopstart/speech"
	"github.com/loopstart/loopstart/store"
)

// stage is the world of one test.
type stage struct {
	cfg     *config.Config
	clk     *clock.Virtual
	zone    *time.Location
	fabric  *media.Fabric
	phones  *media.Engine
	voice   *voice
	web     *web
	crms    *crms
	line    *signalling
	engine  *engine.Engine
	workers *workers
	shots   *snapshots
	menus   *menus
	closing chan struct{}
	state   string // folder of the recordings

	steps int // moments that drive has come to

	lastMu sync.Mutex
	lasts  []func() // wait for the end of the moment

	mu        sync.Mutex
	anybody   *party // habits of all callees
	operators *party // habits of all users
	parties   map[string]*party
	agents    []*agent
	asr       []*asrMock
	calls     []*callLog // in order of their beginning
	coming    *handset   // whose INVITE is with the engine right now
	made      int        // phones
	ids       map[string]int
	waits     []*waiter
	reviewing bool
	broken    error // a request that nobody mocked
	lines     []string
	printed   []string // what the test wrote to the console
	callers   int
	asking    map[asking]string // menus without an answer, by place
	between   func(*stage)      // called before time moves on; nil mostly
	store     *store.Store      // outlives the engine; nil mostly
}

// callLog is one call of the engine.
type callLog struct {
	call    *call.Call // nil for an order that was never dialled
	order   string
	record  *engine.Record
	entries []engine.Entry // after the end
	taken   bool           // ended has returned it
}

// setting is what all stages of a run share.
type setting struct {
	cfg     *config.Config
	zone    *time.Location
	dir     string // for recordings
	builder scripts.Builder
	menus   *menus
	shots   *snapshots
	trace   bool
	// between is called before time moves on, in tests of this package; the
	// store outlives the engine then.
	between func(*stage)
}

// newStage builds the world of one test.
func newStage(in setting) (s *stage, err error) {
	clk := clock.NewVirtual(begin(in.zone))
	s = &stage{
		cfg: private(in.cfg), clk: clk, zone: in.zone, fabric: media.NewFabric(clk), voice: newVoice(), closing: make(chan struct{}),
		anybody: &party{key: calleeKey("")}, operators: &party{key: userKey("*")}, parties: map[string]*party{}, ids: map[string]int{}, menus: in.menus, shots: in.shots,
	}
	s.fabric.Rest = true
	s.web, s.crms = newWeb(s), newCRMs(clk)
	s.workers = newWorkers(clk, s.logger())
	if s.phones, err = media.NewEngine(media.Config{PortMin: 50000, PortMax: 59999, Shards: 1, Fabric: s.fabric}, clk, s.logger()); err != nil {
		return nil, err
	}
	if s.state, err = os.MkdirTemp(in.dir, "test"); err != nil {
		return nil, err
	}
	if s.between = in.between; s.between != nil {
		if s.store, err = store.Open(store.Options{InMemory: true, Clock: clk, Log: s.logger()}); err != nil {
			return nil, err
		}
	}
	if err := s.boot(in); err != nil {
		_ = s.phones.Close()
		return nil, err
	}
	return s, nil
}

// boot starts the program.
func (s *stage) boot(in setting) (err error) {
	s.engine, err = engine.New(s.cfg, engine.Options{
		Clock: s.clk, Log: s.logger(), State: s.state, OnEnded: s.ended, OnFlow: s.flowOver, World: &engine.World{
			Signalling: s.signalling, Fabric: s.fabric, HTTP: func(r netx.Rules) engine.HTTP { return s.web.within(r) }, Voice: s.voice,
			Sockets: func(r netx.Rules) engine.Sockets { return sockets{s, r} }, Recognizer: ears{s},
			Worker: s.workers.dial, Builder: in.builder, Locks: newLocks(s.clk, s.closing), NewID: s.newID, Witness: s, Store: s.store,
		},
	})
	if err == nil {
		s.engine.TraceSteps(in.trace, "")
	}
	return err
}

// private is a configuration for one test: with a trunk, so that numbers can
// be dialled, and without webhooks, which are the operator's.
func private(cfg *config.Config) *config.Config {
	c := *cfg
	c.Webhooks = nil
	fakeCRM(&c)
	c.Secrets = append([]config.Entry(nil), cfg.Secrets...)
	if len(c.Trunks) == 0 {
		c.Trunks = []config.Trunk{{
			Name: "test", Address: "127.0.0.1", From: []string{"+74950000000"}, Destinations: []string{"+"},
			DID: []string{"request-uri"}, Caller: []string{"from"}, Format: "e164",
		}}
	}
	return &c
}

func (s *stage) signalling(c sip.Config, incoming func(engine.Incoming)) (engine.Endpoint, error) {
	s.line = &signalling{stage: s, cfg: c, incoming: incoming}
	return s.line, nil
}

// newID names calls c1, c2, …; they are the same in every run.
func (s *stage) newID(kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[kind]++
	return kind[:1] + itoa(s.ids[kind])
}

// Began implements engine.Witness.
func (s *stage) Began(c *call.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &callLog{call: c, order: c.Spec().Order}
	s.calls = append(s.calls, l)
	if s.coming != nil {
		s.coming.call = l
	}
}

// ended hears of a finished call.
func (s *stage) ended(r engine.Record, line []engine.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := false
	for _, l := range s.calls {
		if l.call != nil && l.id() == r.ID {
			l.record, l.entries, known = &r, line, true
		}
	}
	if !known { // an order that was never dialled
		s.calls = append(s.calls, &callLog{order: r.Order, record: &r})
	}
	s.poke()
}

func (l *callLog) id() string {
	if l.call == nil {
		return l.record.ID
	}
	return l.call.ID()
}

func (l *callLog) script() string {
	if l.call == nil {
		return l.record.Script
	}
	return l.call.Spec().Script
}

// callee is the key of whom it calls, "" for one that came in.
func (l *callLog) callee() string {
	switch {
	case l.call == nil:
		return calleeKey(l.record.To)
	case !l.call.Spec().Outbound:
		return ""
	}
	return calleeKey(l.call.Spec().To.Number())
}

// timeline is what has happened in a call so far.
func (l *callLog) timeline() []engine.Entry {
	if l.record != nil {
		return l.entries
	}
	return l.call.Timeline().Entries()
}

// told is the timeline that tests see: with step tracing it is the same.
func (l *callLog) told() []engine.Entry {
	return slices.DeleteFunc(slices.Clone(l.timeline()), func(e engine.Entry) bool { return e.Kind == "step" })
}

// party finds or makes somebody; the lock is held.
func (s *stage) party(key string) *party {
	p := s.parties[key]
	if p == nil {
		p = &party{key: key}
		s.parties[key] = p
	}
	return p
}

// soon runs f next, when everything that is in flight has settled; the lock is
// held in f.
func (s *stage) soon(f func()) { s.after(0, f) }

// last runs f when nothing else is left to happen at this moment; the lock is
// held in f. So the test goes on when the calls, their records and deliveries
// have come as far as they can.
func (s *stage) last(f func()) {
	s.lastMu.Lock()
	defer s.lastMu.Unlock()
	if s.lasts = append(s.lasts, f); len(s.lasts) == 1 {
		s.clk.AfterFunc(0, s.closeMoment)
	}
}

// closeMoment runs the first of what waits for the end of this moment.
func (s *stage) closeMoment() {
	if at, ok := s.clk.Next(); ok && !at.After(s.clk.Now()) {
		s.clk.AfterFunc(0, s.closeMoment)
		return
	}
	s.lastMu.Lock()
	f := s.lasts[0]
	if s.lasts = s.lasts[1:]; len(s.lasts) > 0 {
		s.clk.AfterFunc(0, s.closeMoment)
	}
	s.lastMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *stage) after(d time.Duration, f func()) {
	s.clk.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	})
}

// lastMoment is where virtual time ends.
func (s *stage) lastMoment() time.Time { return begin(s.zone).Add(MaxVirtual) }

// drive lets time pass while over says false: from one moment at which
// something happens to the next.
func (s *stage) drive(ctx context.Context, until time.Time, over func() bool) error {
	for {
		s.clk.Settle()
		if over() {
			return nil
		}
		if ctx.Err() != nil {
			return fault.New(fault.Limit, "the test has worked for %s of real time (limit real)", MaxReal)
		}
		at, ok := s.clk.Next()
		switch {
		case !ok:
			return fault.New(fault.Limit, "the test waits for something that will never happen").WithHint("is there a promise that nothing resolves?")
		case at.After(until):
			return fault.New(fault.Limit, "the test has waited for %d days of virtual time (limit virtual)", int(until.Sub(begin(s.zone)).Hours()/24))
		}
		if s.between != nil && at.After(s.clk.Now()) {
			s.between(s)
		}
		s.clk.Advance(at.Sub(s.clk.Now()))
		s.steps++
	}
}

// calm is how long the calls of a test that is over may take to end.
const calm = time.Minute

// finish hangs up what is left and lets the calls end, so that afterCall and
// its deliveries happen in every test.
func (s *stage) finish(ctx context.Context) error {
	s.mu.Lock()
	s.soon(func() {
		for _, key := range slices.Sorted(maps.Keys(s.parties)) {
			for _, ph := range s.parties[key].phones {
				if !ph.closed {
					ph.hangUp()
				}
			}
		}
	})
	s.mu.Unlock()
	return s.drive(ctx, s.clk.Now().Add(calm), func() bool {
		at, more := s.clk.Next()
		return s.allEnded() && !(more && !at.After(s.clk.Now()))
	})
}

func (s *stage) allEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.calls {
		if l.record == nil {
			return false
		}
	}
	for _, p := range s.parties {
		for _, ph := range p.phones {
			if !ph.closed {
				return false
			}
		}
	}
	return true
}

// closePatience is the real time after which the clock is moved for an engine
// that still waits for it.
const closePatience = 50 * time.Millisecond

// close ends the world.
func (s *stage) close() {
	close(s.closing)
	done := make(chan struct{})
	go func() {
		s.engine.Close()
		_ = s.phones.Close()
		s.workers.close()
		if s.store != nil {
			_ = s.store.Close() // in memory
		}
		_ = os.RemoveAll(s.state) // what is left goes with the run
		close(done)
	}()
	for {
		again := make(chan struct{})
		t := clock.System().AfterFunc(closePatience, func() { close(again) })
		select {
		case <-done:
			t.Stop()
			return
		case <-again:
			go s.clk.Advance(time.Second)
		}
	}
}

// logger collects warnings and errors of the engine for the report.
func (s *stage) logger() *slog.Logger { return slog.New(&collector{stage: s}) }

// collector is a slog.Handler.
type collector struct {
	stage *stage
	attrs []slog.Attr
}

// maxLines bounds what one test may log.
const maxLines = 200

// Enabled implements slog.Handler.
func (c *collector) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (c *collector) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	frame, stack := "", ""
	add := func(a slog.Attr) bool {
		if a.Key == "frame" {
			frame = a.Value.String()
			return true
		}
		if a.Key == "stack" {
			stack = a.Value.String()
			return true
		}
		b.WriteString(" " + a.Key + "=" + a.Value.String())
		return true
	}
	for _, a := range c.attrs {
		add(a)
	}
	r.Attrs(add)
	if frame != "" {
		b.WriteString("\n" + strings.TrimRight(frame, "\n"))
	}
	if stack != "" {
		b.WriteString("\n" + stack)
	}
	c.stage.note(b.String())
	return nil
}

// note keeps a line for the report.
func (s *stage) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) < maxLines {
		s.lines = append(s.lines, line)
	}
}

// print keeps a line of the test's own console.
func (s *stage) print(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.printed) < maxLines {
		s.printed = append(s.printed, line)
	}
}

// WithAttrs implements slog.Handler.
func (c *collector) WithAttrs(list []slog.Attr) slog.Handler {
	return &collector{stage: c.stage, attrs: append(c.attrs[:len(c.attrs):len(c.attrs)], list...)}
}

// WithGroup implements slog.Handler.
func (c *collector) WithGroup(string) slog.Handler { return c }

// plain is a text for the built-in voice.
func plain(text string) speech.Utterance { return speech.Utterance{Text: text} }
