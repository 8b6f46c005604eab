package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/schedule"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/runtime/supervisor"
	"github.com/loopstart/loopstart/scripts"
)

// Static is the static `config` of a script, as far as this version knows it.
type Static struct {
	Language       string            `json:"language"`
	Voice          string            `json:"voice"`
	Record         staticRecord      `json:"record"`
	DeliveredAfter string            `json:"deliveredAfter"`
	Fallback       []StaticAction    `json:"fallback"`
	Guard          string            `json:"guard"`
	Limits         json.RawMessage   `json:"limits"`
	Data           map[string]string `json:"data"`
	Hook           *StaticHook       `json:"hook"`
	Schedule       staticSchedule    `json:"schedule"`
	Permissions    struct {
		HTTP []string `json:"http"`
		SIP  []string `json:"sip"`
	} `json:"permissions"`

	after  call.DeliveredAfter
	limits message.Limits // of each VM; zero means the project's
}

// StaticAction is one step of config.fallback.
type StaticAction struct {
	Say     string    `json:"say"`
	Play    string    `json:"play"`
	Connect oneOrMany `json:"connect"`
	Reject  int       `json:"reject"`
	Hangup  bool      `json:"hangup"`
}

// kinds is how many kinds of step a is at once.
func (a *StaticAction) kinds() (n int) {
	for _, is := range []bool{a.Say != "", a.Play != "", len(a.Connect) > 0, a.Reject != 0, a.Hangup} {
		if is {
			n++
		}
	}
	return n
}

// languageTag is the usual form of BCP 47: language, script or region.
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// misfit says in the words of an author what json found wrong with config.
func misfit(err error) string {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return ": " + strings.TrimPrefix(err.Error(), "json: ")
	}
	field := strings.TrimPrefix(e.Field, ".")
	if field != "" {
		field = "." + field
	}
	wanted := map[reflect.Kind]string{reflect.Bool: "true or false", reflect.String: "a text", reflect.Slice: "a list", reflect.Int: "a whole number"}[e.Type.Kind()]
	if wanted == "" {
		wanted = "an object"
	}
	return field + " is a " + e.Value + ", " + wanted + " is wanted"
}

// StaticHook guards onRequest.
type StaticHook struct {
	Token   string    `json:"token"`
	Origins []string  `json:"origins"`
	Rate    hookRate  `json:"rate"`
	Sign    *hookSign `json:"sign"`
}

// hookRate is a number of requests a second, or "10/s", "100/m", "1000/h": so
// many may come within that time, also all at once.
type hookRate struct {
	n       float64
	seconds float64
}

func (r *hookRate) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	seconds := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	if err != nil || n <= 0 || seconds == 0 {
		return fmt.Errorf("hook.rate %q is no rate such as \"10/s\"", text)
	}
	*r = hookRate{n, seconds}
	return nil
}

func (r hookRate) String() string {
	return fmt.Sprintf("%g/%s", r.n, map[float64]string{1: "s", 60: "m", 3600: "h"}[r.seconds])
}

// staticRecord is config.record: true, or {stereo} to override
// recordings.stereo.
type staticRecord struct {
	On     bool
	Stereo *bool
}

func (r *staticRecord) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return json.Unmarshal(b, &r.On)
	}
	var o struct {
		Stereo *bool `json:"stereo"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	err := dec.Decode(&o)
	r.On, r.Stereo = true, o.Stereo
	return err
}

// oneOrMany is one text or a list of them.
type oneOrMany []string

func (s *oneOrMany) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var one string
		err := json.Unmarshal(b, &one)
		*s = oneOrMany{one}
		return err
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// ParseStatic reads a script's static config strictly.
func ParseStatic(script string, raw json.RawMessage) (*Static, error) {
	s := &Static{}
	if len(raw) == 0 || string(raw) == "null" {
		return s, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s); err != nil {
		return nil, fault.New(fault.Invalid, "script %s: config%s", script, misfit(err)).
			WithHint("config has language, voice, record, deliveredAfter, fallback, guard, limits, data, hook, schedule, permissions")
	}
	after, err := call.ParseDeliveredAfter(s.DeliveredAfter)
	if err != nil {
		return nil, err
	}
	if s.Language != "" && !languageTag.MatchString(s.Language) {
		return nil, fault.New(fault.Invalid, "script %s: config.language: %q is no language", script, s.Language).WithHint(`write "ru-RU", "en-US" or "kk-KZ"`)
	}
	for i, a := range s.Fallback {
		if a.kinds() != 1 {
			return nil, fault.New(fault.Invalid, "script %s: config.fallback[%d] has %d of say, play, connect, reject and hangup; one is wanted", script, i, a.kinds()).
				WithHint("make a step of each: [{say: …}, {connect: …}]")
		}
	}
	s.after = after
	if _, err := runtime.ParseGuard(s.Guard); err != nil {
		return nil, fault.New(fault.Invalid, "script %s: config.guard: %w", script, err).WithHint("%s", fault.HintOf(err))
	}
	if s.limits, err = parseVMLimits(s.Limits); err != nil {
		return nil, fault.New(fault.Invalid, "script %s: config.limits: %w", script, err).WithHint("%s", fault.HintOf(err))
	}
	if err := s.Schedule.parse(script); err != nil {
		return nil, err
	}
	if s.Hook != nil && s.Hook.Sign != nil {
		if err := s.Hook.Sign.parse(script); err != nil {
			return nil, err
		}
	}
	for name, kind := range s.Data {
		if !knownKind(kind) {
			return nil, fault.New(fault.Invalid, "script %s: config.data.%s: no kind %q", script, name, kind).
				WithHint("kinds are string, number, money, date, time, phone, boolean; a trailing ? makes it optional")
		}
	}
	return s, nil
}

// settings keeps the parsed static config of versions.
type settings struct {
	mu     sync.Mutex
	static map[string]*Static // by script@version
	rates  hookRates
}

func (s *settings) init() { s.static = map[string]*Static{} }

// of is the static config of a version; a broken one counts as empty, since
// the build has reported it.
func (s *settings) of(v *scripts.Version) *Static {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := v.Script + "@" + v.ID
	if st := s.static[key]; st != nil {
		return st
	}
	st, err := ParseStatic(v.Script, v.Config)
	if err != nil {
		st = &Static{}
	}
	s.static[key] = st
	return st
}

func (s *settings) forget(v *scripts.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.static, v.Script+"@"+v.ID)
}

// mayDial tells whether the script may dial SIP addresses of a host.
func (s *Static) mayDial(host string) bool {
	return slices.ContainsFunc(s.Permissions.SIP, func(h string) bool { return strings.EqualFold(h, host) })
}

// applySettings puts a version's static config into a call's spec.
func (e *Engine) applySettings(spec *call.Spec, v *scripts.Version) {
	st := e.settings.of(v)
	if st.Language != "" {
		spec.Language = st.Language
	}
	if st.Voice != "" {
		spec.Voice = st.Voice
	}
	spec.Record = spec.Record || st.Record.On
	if st.Record.Stereo != nil {
		spec.Stereo = *st.Record.Stereo
	}
	spec.After = st.after
	if len(spec.Fallback) == 0 {
		for _, a := range st.Fallback {
			spec.Fallback = append(spec.Fallback, call.Action{Say: a.Say, Play: a.Play, Connect: a.Connect, Reject: a.Reject, Hangup: a.Hangup})
		}
	}
}

func (e *Engine) openScripts(cfg *config.Config) (err error) {
	o := scripts.Options{
		Dir: e.path(cfg.Scripts.Dir), Cache: filepath.Join(e.stateDir(), "bundles"), State: filepath.Join(e.stateDir(), "scripts.json"), Builder: builder{e.opts.Builder}, Modules: Modules(),
		Clock: e.clk, Log: e.log, Watch: true, OnChange: e.scriptChanged, Needed: e.flows.Needs,
	}
	if w := e.opts.World; w != nil {
		o.Cache, o.State, o.Builder, o.Watch = "", "", w.Builder, false
	}
	e.scripts, err = scripts.Open(e.ctx, o)
	return err
}

// scriptChanged warms what the next call of a new version needs.
func (e *Engine) scriptChanged(ch scripts.Change) {
	switch ch.Kind {
	case scripts.Swapped, scripts.Tried:
		e.settings.of(ch.Version)
		if e.opts.World != nil {
			break // hundreds of engines start in one test run
		}
		text := "script ready"
		if ch.Kind == scripts.Tried {
			text = "script ready as the canary"
		}
		e.log.Info(text, "script", ch.Script, "version", ch.Version.ID)
		if err := e.workers.Preload(e.bundleSpec(ch.Version)); err != nil {
			e.log.Warn("script worker: " + err.Error())
		}
		e.speakAhead(ch.Version)
	case scripts.Failed:
		for _, d := range ch.Errors {
			e.reportBroken(ch, d)
		}
	case scripts.Held:
		e.log.Warn("script saved, but new calls keep the version they get now: it is pinned or has a canary",
			"script", ch.Script, "version", ch.Version.ID, "active", ch.Previous, "hint", "loopstart scripts")
	case scripts.Freed:
		e.settings.forget(ch.Version)
		e.workers.Retire(ch.Script, ch.Version.ID)
		e.workers.Retire(ch.Script, ch.Version.ID+stepsSuffix)
	case scripts.Removed:
		e.log.Info("script removed", "script", ch.Script)
	}
	if ch.Kind == scripts.Swapped || ch.Kind == scripts.Removed {
		e.timetable.refresh(ch.Script)
	}
	if e.opts.OnScript != nil {
		e.opts.OnScript(ch)
	}
}

// reportBroken logs why a save does not build the way its author can use it.
func (e *Engine) reportBroken(ch scripts.Change, d scripts.Diagnostic) {
	attrs := []any{"script", ch.Script}
	if d.Place != "" {
		attrs = append(attrs, "at", d.Place)
	}
	if d.Hint != "" {
		attrs = append(attrs, "hint", d.Hint)
	}
	if ch.Version != nil {
		attrs = append(attrs, "calls_keep", ch.Version.ID)
	}
	if d.Frame != "" {
		attrs = append(attrs, "frame", d.Frame)
	}
	e.log.Error("script broken: "+d.Message, attrs...)
}

// builder implements scripts.Builder by a child process of this binary.
type builder struct{ command func() *exec.Cmd }

// buildTimeout bounds one build; the child is killed then.
const buildTimeout = 20 * time.Second

// Build implements scripts.Builder.
func (b builder) Build(ctx context.Context, r scripts.BuildRequest) (res scripts.BuildResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	in, err := json.Marshal(r)
	if err != nil {
		return res, err
	}
	cmd := b.command()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	if err := cmd.Start(); err != nil {
		return res, fault.New(fault.Internal, "build %s: %w", r.Script, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return crashed(r, ctx.Err() != nil, errs.String()), nil
	}
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		return res, fault.New(fault.Internal, "build %s: the child's answer: %w", r.Script, err)
	}
	return res, nil
}

// crashed is the result of a build that the script itself has killed.
func crashed(r scripts.BuildRequest, late bool, stderr string) scripts.BuildResult {
	why := "the source crashes the compiler"
	if late {
		why = "the source takes more than " + buildTimeout.String() + " to compile"
	}
	if line, _, _ := strings.Cut(stderr, "\n"); line != "" {
		why += " (" + line + ")"
	}
	return scripts.BuildResult{Errors: []scripts.Diagnostic{{Place: r.Entry + ":1:1", Message: why, Hint: "is something nested very deeply, or generated?"}}}
}

func (e *Engine) openWorkers(cfg *config.Config) (err error) {
	o := supervisor.Options{
		Command: e.opts.Worker, Clock: e.clk, Log: e.log, Isolation: supervisor.Isolation(cfg.Scripts.Isolation),
		Limits: supervisor.Limits{Ready: cfg.Limits.ScriptStart},
	}
	if w := e.opts.World; w != nil {
		o.Command, o.Dial = nil, w.Worker
	}
	e.workers, err = supervisor.New(o)
	return err
}

// bundleSpec is what the supervisor needs of a version.
func (e *Engine) bundleSpec(v *scripts.Version) supervisor.Spec {
	return supervisor.Spec{Script: v.Script, Version: v.ID, Bundle: func() message.Bundle { return e.bundle(v) }}
}

func (e *Engine) bundle(v *scripts.Version) message.Bundle {
	cfg := e.Config()
	l := cfg.Limits
	b := message.Bundle{
		Script: v.Script, Version: v.ID, Source: v.Source, Map: v.Map, Dir: v.Dir,
		Env: message.Environment{
			Country: cfg.Project.Country, Zone: cfg.Project.Zone, Language: cfg.Project.Language,
			Secrets: map[string]string{}, Schedules: map[string]json.RawMessage{},
		},
		Limits: message.Limits{
			SliceCPU: l.ScriptCPU, Heap: int64(l.ScriptHeap), Stack: l.ScriptStack, Timers: l.ScriptTimers, Requests: l.ScriptRequests,
			LogBytes: int(l.ScriptLog), Grace: l.ScriptGrace,
		},
	}
	st := e.settings.of(v)
	b.Guard, b.Limits = st.Guard, stricter(b.Limits, st.limits)
	for _, s := range cfg.Secrets {
		b.Env.Secrets[s.Name] = s.Value.Reveal()
	}
	for _, s := range cfg.Schedules {
		if raw, err := json.Marshal(scheduleSpec(s, cfg.Project.Zone)); err == nil {
			b.Env.Schedules[s.Name] = raw
		}
	}
	return b
}

// scheduleSpec is a schedule as loopstart:time reads it.
func scheduleSpec(s config.Schedule, zone string) schedule.Spec {
	spec := schedule.Spec{Closed: s.Closed, Extra: s.Extra, Zone: first(s.Zone, zone)}
	for _, o := range s.Open {
		spec.Open = append(spec.Open, schedule.Days{Days: o.Name, Hours: o.Hours})
	}
	return spec
}

// asFault is a script's end as an error of the house.
func asFault(e *message.ScriptError) error {
	if e == nil {
		return nil
	}
	code := fault.Code(e.Code)
	if code == "" {
		code = fault.Script
	}
	f := fault.New(code, "%s", e.Message).WithExit(fault.ExitScript).At(e.Place, e.Frame)
	if e.Name != "" && e.Name != "Error" {
		f.Message = e.Name + ": " + e.Message
	}
	f.Hint = e.Hint
	if len(e.Awaited) > 0 {
		f.Err = errors.New("awaited from " + strings.Join(e.Awaited, ", "))
	}
	return f
}

// parseSpan reads a duration of the API or of a script's config.
func parseSpan(text string) (time.Duration, error) { return duration.Parse(text) }

func hintOf(err error) string { return fault.HintOf(err) }
