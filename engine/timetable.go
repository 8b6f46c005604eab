package engine

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/cron"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/store"
)

// staticSchedule is config.schedule: a cron line in the project's zone, or
// {cron, zone}.
type staticSchedule struct {
	Cron string `json:"cron"`
	Zone string `json:"zone,omitempty"`

	line cron.Line
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *staticSchedule) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &s.Cron)
	}
	type plain staticSchedule
	return json.Unmarshal(b, (*plain)(s))
}

// parse checks the line and the zone.
func (s *staticSchedule) parse(script string) (err error) {
	if s.Cron == "" && s.Zone == "" {
		return nil
	}
	if s.line, err = cron.Parse(s.Cron); err != nil {
		return fault.New(fault.Invalid, "script %s: config.schedule: %w", script, err).WithHint("%s", fault.HintOf(err))
	}
	if _, ok := s.line.Next(time.Unix(0, 0), time.UTC); !ok {
		return fault.New(fault.Invalid, "script %s: config.schedule: %q is never due", script, s.Cron).WithHint("does that day exist in that month?")
	}
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
		return fault.New(fault.Invalid, "script %s: config.schedule: there is no zone %q", script, s.Zone).WithHint(`write "Europe/Moscow" or "Asia/Almaty"`)
	}
	return nil
}

const (
	// lateWithin is how late a run that was missed is made up for.
	lateWithin = 24 * time.Hour
	// glance is how often a timetable looks at the wall clock at least, which
	// may be set while its timers run.
	glance = 10 * time.Minute
)

// timetable runs onSchedule of the active version of each script.
//
// The instant is on disk before the run begins, so that none is run twice. Of
// instants missed while the process was down (or the machine slept) the newest
// is made up for once, if it is no older than lateWithin. An instant that comes
// while the run before it goes on is skipped. A run that fails is not repeated.
type timetable struct {
	e     *Engine
	space *store.Space
	rule  func(script string) (staticSchedule, *time.Location, bool) // ruleOf, but for tests
	exec  func(script string, at time.Time, late bool) error         // call, but for tests

	mu   sync.Mutex
	jobs map[string]*job // by script
	on   bool

	Runs, Skipped, Failed atomic.Int64
}

// job is the schedule of one script.
type job struct {
	script  string
	rule    staticSchedule
	zone    *time.Location
	next    time.Time // the instant that is waited for
	timer   clock.Timer
	running bool
	last    lastRun
}

// lastRun is what the disk knows of a script's schedule.
type lastRun struct {
	Rule     string    `json:"rule"` // line and zone: another one has missed nothing
	At       time.Time `json:"at"`   // the instant last run or skipped, or when the schedule was first seen
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Error    string    `json:"error,omitempty"`
}

func (t *timetable) init(e *Engine) {
	t.e, t.jobs = e, map[string]*job{}
	t.rule, t.exec = t.ruleOf, t.call
}

// start begins with what is active. Calls can be taken by then.
func (t *timetable) start() {
	t.space = t.e.store.Space("schedules")
	t.mu.Lock()
	t.on = true
	t.mu.Unlock()
	t.refreshAll()
}

// stop lets nothing more begin.
func (t *timetable) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on = false
	for _, j := range t.jobs {
		j.stop()
	}
}

func (j *job) stop() {
	if j.timer != nil {
		j.timer.Stop()
		j.timer = nil
	}
}

// refreshAll looks at every script anew: the project's zone may have changed.
func (t *timetable) refreshAll() {
	for _, s := range t.e.scripts.List() {
		t.refresh(s.Name)
	}
}

// refresh brings a script's schedule in line with its active version.
func (t *timetable) refresh(script string) {
	t.mu.Lock()
	on := t.on
	t.mu.Unlock()
	if !on { // start looks at all of them
		return
	}
	rule, zone, ok := t.rule(script)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.on {
		return
	}
	j := t.jobs[script]
	switch {
	case !ok && j != nil:
		j.stop()
		j.rule, j.next = staticSchedule{}, time.Time{} // a run may still go on
		if !j.running {
			delete(t.jobs, script)
		}
		return
	case !ok:
		return
	case j == nil:
		j = &job{script: script}
		t.jobs[script] = j
	case j.rule.Cron == rule.Cron && j.zone.String() == zone.String():
		return
	}
	j.stop()
	j.rule, j.zone = rule, zone
	t.resumeLocked(j)
}

// ruleOf is the schedule of a script's active version.
func (t *timetable) ruleOf(script string) (rule staticSchedule, zone *time.Location, ok bool) {
	v, err := t.e.scripts.AcquireActive(script)
	if err != nil {
		return rule, nil, false
	}
	defer t.e.scripts.Release(v)
	rule = t.e.settings.of(v).Schedule
	zone = t.e.Config().Location()
	if rule.Zone != "" {
		zone, err = time.LoadLocation(rule.Zone)
	}
	return rule, zone, err == nil && rule.Cron != "" && v.Has("onSchedule")
}

// resumeLocked takes up a schedule where the disk says it stands. The read is
// one key; nothing waits for this lock but other schedules.
func (t *timetable) resumeLocked(j *job) {
	now, name := t.e.clk.Now(), j.rule.Cron+" "+j.zone.String()
	raw, ok, err := t.space.Get(j.script)
	if err != nil {
		t.e.log.Error("engine: read the schedule", "script", j.script, "err", err)
	}
	j.last = lastRun{}
	known := ok && json.Unmarshal(raw, &j.last) == nil && j.last.Rule == name
	if known && j.last.At.After(now.Add(lateWithin)) {
		t.e.log.Warn("the clock was set back: the schedule begins anew", "script", j.script, "ran", j.last.At.Format(time.RFC3339))
		known = false
	}
	if !known {
		j.last.Rule, j.last.At = name, now
		t.keep(j.script, j.last)
	}
	if missed, late := j.missed(j.last.At, now); late {
		t.aimLocked(j, missed)
		return
	}
	t.aimLocked(j, t.after(j, now))
}

// missed is the newest instant after since up to now.
func (j *job) missed(since, now time.Time) (at time.Time, ok bool) {
	// A dense line is found in the last minutes, a rare one in a day.
	for _, back := range []time.Duration{2 * time.Minute, time.Hour, lateWithin} {
		from := now.Add(-back)
		if from.Before(since) {
			from = since
		}
		for next, more := j.rule.line.Next(from, j.zone); more && !next.After(now); next, more = j.rule.line.Next(next, j.zone) {
			at, ok = next, true
		}
		if ok {
			return at, true
		}
	}
	return at, false
}

// after is the first instant after both now and the last one run.
func (t *timetable) after(j *job, now time.Time) time.Time {
	if j.last.At.After(now) {
		now = j.last.At
	}
	at, _ := j.rule.line.Next(now, j.zone)
	return at
}

// aimLocked waits for an instant.
func (t *timetable) aimLocked(j *job, at time.Time) {
	j.stop()
	if j.next = at; at.IsZero() || !t.on {
		return
	}
	wait := min(max(at.Sub(t.e.clk.Now()), 0), glance)
	j.timer = t.e.clk.AfterFunc(wait, func() { t.due(j) })
}

// due is the alarm of a job.
func (t *timetable) due(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.e.clk.Now()
	if !t.on || j.next.IsZero() {
		return
	}
	if j.next.After(now) {
		t.aimLocked(j, j.next)
		return
	}
	at := j.next
	if newer, ok := j.missed(at, now); ok {
		at = newer // the machine slept, or the clock was set: once is enough
	}
	t.beginLocked(j, at, now)
	t.aimLocked(j, t.after(j, now))
}

// lateAfter is how much later than its instant a run is called late.
const lateAfter = time.Minute

func (t *timetable) beginLocked(j *job, at, now time.Time) {
	script, late := j.script, now.Sub(at) > lateAfter
	switch {
	case t.e.opts.Dev && t.e.opts.Live == "":
		t.e.log.Info("dev: would have run onSchedule", "script", script, "at", at.Format(time.RFC3339))
		return
	case j.running:
		t.Skipped.Add(1)
		t.e.log.Warn("onSchedule is skipped: the run before it goes on", "script", script, "at", at.Format(time.RFC3339), "since", j.last.Started.Format(time.RFC3339))
		j.last.At = at
		t.keep(script, j.last)
		return
	}
	j.running = true
	j.last.At, j.last.Started, j.last.Finished, j.last.Error = at, now, time.Time{}, ""
	first := j.last
	t.e.wg.Add(1)
	t.e.clk.Busy(1)
	go func() {
		defer t.e.wg.Done()
		defer t.e.clk.Busy(-1)
		t.run(j, first, late)
	}()
}

// run writes the instant, runs the script and writes how it ended.
func (t *timetable) run(j *job, r lastRun, late bool) {
	err := t.claim(j.script, r)
	if err == nil {
		t.Runs.Add(1)
		err = t.exec(j.script, r.At, late)
	}
	if err != nil {
		t.Failed.Add(1)
		t.e.log.Error("onSchedule failed", "script", j.script, "at", r.At.Format(time.RFC3339), "err", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	j.running = false
	if err != nil {
		j.last.Error = maskNumbers(err.Error())
	}
	if t.e.ctx.Err() == nil { // else it was cut off, which the disk says already
		j.last.Finished = t.e.clk.Now()
		t.keep(j.script, j.last)
	}
	if j.rule.Cron == "" && t.jobs[j.script] == j {
		delete(t.jobs, j.script)
	}
}

func (t *timetable) call(script string, at time.Time, late bool) error {
	v, err := t.e.scripts.AcquireActive(script)
	if err != nil {
		return err
	}
	defer t.e.scripts.Release(v)
	if !v.Has("onSchedule") {
		return fault.New(fault.NotFound, "script %s has no onSchedule any more", script)
	}
	ctx, cancel := context.WithCancel(t.e.ctx)
	defer cancel()
	_, err = t.e.run(ctx, v, "onSchedule", "", map[string]any{"at": at.Format(time.RFC3339), "late": late}, t.e.Config().Limits.OnSchedule)
	return err
}

// claim writes an instant before its run.
func (t *timetable) claim(script string, r lastRun) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return t.space.Apply(store.Op{Key: script, Value: raw})
}

// keep writes without waiting.
func (t *timetable) keep(script string, r lastRun) {
	if t.e.opts.Dev && t.e.opts.Live == "" {
		return // what dev does not run is not missed either
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return
	}
	t.space.ApplyLater(func(err error) {
		if err != nil {
			t.e.log.Error("engine: keep the schedule", "script", script, "err", err)
		}
	}, store.Op{Key: script, Value: raw})
}

// ScriptSchedule is how a script's schedule stands, in GET /v1/scripts.
type ScriptSchedule struct {
	Cron    string     `json:"cron"`
	Zone    string     `json:"zone"`
	NextAt  *time.Time `json:"next_at,omitempty"`
	LastAt  *time.Time `json:"last_at,omitempty"` // the instant of the last run
	Running bool       `json:"running,omitempty"`
	Error   string     `json:"error,omitempty"` // of the last run
}

// Show is how the schedule of a script stands, nil when it has none.
func (t *timetable) Show(script string) *ScriptSchedule {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := t.jobs[script]
	if j == nil || j.rule.Cron == "" {
		return nil
	}
	s := &ScriptSchedule{Cron: j.rule.Cron, Zone: j.zone.String(), NextAt: moment(j.next), Running: j.running, Error: j.last.Error}
	if !j.last.Started.IsZero() {
		s.LastAt = moment(j.last.At)
	}
	if s.Error == "" && !j.running && !j.last.Started.IsZero() && j.last.Finished.IsZero() {
		s.Error = "the process ended during the run"
	}
	return s
}

// scheduleWarnings says what in a script's schedule has no effect.
func scheduleWarnings(st *Static, exports []string) []scripts.Diagnostic {
	has := slices.Contains(exports, "onSchedule")
	switch {
	case has && st.Schedule.Cron == "":
		return []scripts.Diagnostic{{Message: "onSchedule is never called: config has no schedule", Hint: `export const config = {schedule: "0 9 * * 1-5"}`}}
	case !has && st.Schedule.Cron != "":
		return []scripts.Diagnostic{{Message: "config.schedule has no effect: there is no onSchedule", Hint: "export async function onSchedule() { … }"}}
	}
	return nil
}
