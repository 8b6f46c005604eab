package testrun

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/runtime/supervisor"
	"github.com/loopstart/loopstart/scripts"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// listed is one test as the file's own VM tells it.
type listed struct {
	Name string `json:"name"`
	Mode string `json:"mode"` // run, skip, only
}

// file builds a test file and runs its tests; ok is false when the pattern
// leaves nothing of it.
func (r *runner) file(ctx context.Context, name string) (f File, ok bool) {
	f = File{Name: name, Tests: []Result{}}
	whole, maybe := r.choices.file(name)
	if !whole && !maybe {
		return f, false
	}
	built, err := r.builder.Build(ctx, scripts.BuildRequest{Dir: r.root, Script: strings.TrimSuffix(name, path.Ext(name)), Entry: name, Modules: engine.Modules(), Test: true})
	if err != nil || len(built.Errors) > 0 {
		r.choices.took(name, "")
		f.Error = broken(built, err)
		return f, true
	}
	tests, failure := r.list(ctx, built)
	if failure != nil {
		r.choices.took(name, "")
		f.Error = failure
		return f, true
	}
	told := false
	for i, t := range tests {
		if !r.choices.took(name, t.Name) {
			continue
		}
		if !told {
			r.OnFile(name)
			told = true
		}
		res := Result{File: name, Name: t.Name, State: "skipped"}
		if runs(t, tests) && ctx.Err() == nil {
			res = r.test(ctx, name, built, i, t.Name)
		}
		f.Tests = append(f.Tests, res)
		r.OnResult(res)
	}
	return f, told
}

// runs tells whether a test is to run: of a file with test.only those only.
func runs(t listed, all []listed) bool {
	for _, x := range all {
		if x.Mode == "only" {
			return t.Mode == "only"
		}
	}
	return t.Mode == "run"
}

// broken is a build that failed.
func broken(res scripts.BuildResult, err error) *Failure {
	if err != nil {
		return &Failure{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: fault.HintOf(err)}
	}
	d := res.Errors[0]
	return &Failure{Code: string(fault.Script), Message: d.Message, Place: d.Place, Frame: d.Frame, Hint: d.Hint}
}

// lister is the host of a VM that only tells its tests.
type lister struct{}

// Call implements test.Host.
func (lister) Call(string, json.RawMessage) (any, error) { return nil, nil }

// Wait implements test.Host: what a file does outside of its tests has to wait
// for them.
func (lister) Wait(_ string, _ json.RawMessage, done func(any, error)) {
	done(nil, fault.New(fault.Conflict, "calls are made inside of tests").WithHint(`put it into test("…", async () => { … })`))
}

// list asks a file for its tests.
func (r *runner) list(ctx context.Context, built scripts.BuildResult) ([]listed, *Failure) {
	clk := clock.NewVirtual(begin(r.zone))
	s := &stage{clk: clk, zone: r.zone, cfg: r.cfg}
	s.workers = newWorkers(clk, s.logger())
	defer s.workers.close()
	o := s.execute(ctx, built, lister{}, map[string]any{"list": true})
	if o.Error != nil {
		return nil, failureOf(o.Error)
	}
	var tests []listed
	if err := json.Unmarshal(o.Value, &tests); err != nil {
		return nil, &Failure{Code: string(fault.Internal), Message: "the list of tests: " + err.Error()}
	}
	return tests, nil
}

func failureOf(e *message.ScriptError) *Failure {
	f := &Failure{Code: e.Code, Message: e.Message, Place: e.Place, Frame: e.Frame, Hint: e.Hint, Stack: e.Stack}
	if e.Name != "" && e.Name != "Error" && e.Name != "ExpectationError" {
		f.Message = e.Name + ": " + e.Message
	}
	return f
}

// test runs one test in a world of its own.
func (r *runner) test(ctx context.Context, name string, built scripts.BuildResult, index int, title string) Result {
	real := clock.System()
	began := real.Now()
	res := Result{File: name, Name: title, State: "passed"}
	s, err := newStage(r.setting)
	if err != nil {
		res.State, res.Error = "failed", &Failure{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: fault.HintOf(err)}
		return res
	}
	defer s.close()
	h := &host{stage: s, dir: filepath.Join(r.root, filepath.FromSlash(path.Dir(name))), names: snapshotNames{test: title}}
	o := s.execute(ctx, built, h, map[string]any{"index": index})
	res.VirtualMs = s.clk.Now().Sub(begin(r.zone)).Milliseconds()
	finishing := s.settle(ctx)
	res.RealMs, res.steps = clock.Since(real, began).Milliseconds(), s.steps
	res.Error = s.verdict(o, finishing)
	if res.Error != nil {
		res.State = "failed"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	res.Log, res.Printed = s.lines, s.printed
	if res.Error != nil || r.All || r.Trace {
		res.Calls = s.told()
	}
	return res
}

// settle lets the world come to rest after a test.
func (s *stage) settle(ctx context.Context) error {
	ctx, cancel := s.patience(ctx)
	defer cancel()
	return s.finish(ctx)
}

// verdict is why a test failed, nil if it did not.
func (s *stage) verdict(o message.Outcome, finishing error) *Failure {
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	var f *Failure
	if o.Error != nil {
		f = failureOf(o.Error)
	}
	if broken != nil && (f == nil || f.Message != broken.Error()) {
		f = &Failure{Code: string(fault.CodeOf(broken)), Message: broken.Error(), Hint: fault.HintOf(broken)}
	}
	if f == nil && finishing != nil {
		f = &Failure{Code: string(fault.CodeOf(finishing)), Message: "after the test: a call does not end: " + finishing.Error(), Hint: fault.HintOf(finishing)}
	}
	return f
}

// told are the calls of the test; the lock is held.
func (s *stage) told() []Call {
	out := []Call{}
	for _, l := range s.calls {
		out = append(out, Call{ID: l.id(), Script: l.script(), Record: l.record, Timeline: l.timeline()})
	}
	return out
}

// patience ends a context after the real time that a test may take.
func (s *stage) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	t := clock.System().AfterFunc(MaxReal, cancel)
	return ctx, func() {
		t.Stop()
		cancel()
	}
}

// testVM is the VM of a test file: it implements supervisor.Handler.
type testVM struct {
	stage *stage
	done  atomic.Pointer[message.Outcome]
}

// Request implements supervisor.Handler.
func (v *testVM) Request(vm *supervisor.Instance, seq uint32, r message.Request) {
	if v.stage.engine == nil { // the file is only asked for its tests, and runs once more for each
		if seq != 0 {
			vm.Settle(seq, nil, fault.New(fault.Conflict, "%s is called outside of a test", r.Method).WithHint(`put it into test("…", async () => { … })`))
		}
		return
	}
	if do := v.stage.engine.Method(r.Method); do != nil {
		v.stage.serve(do, r, func(value any, err error) { vm.Settle(seq, value, err) })
		return
	}
	var o struct {
		Level string `json:"level"`
		Text  string `json:"text"`
	}
	switch {
	case r.Method == "console.log" && json.Unmarshal(r.Args, &o) == nil:
		v.stage.print(lineOf(r.At) + ": " + o.Text)
	case seq != 0:
		vm.Settle(seq, nil, fault.New(fault.Invalid, "%s belongs into scripts", r.Method).WithHint("tests have kv, http and clock of loopstart:test"))
	}
}

// Update implements supervisor.Handler.
func (v *testVM) Update(message.State) {}

// Done implements supervisor.Handler.
func (v *testVM) Done(o message.Outcome) { v.done.Store(&o) }

// Limits of the VM of a test, which is the author's own.
const (
	testCPU  = 5 * time.Second
	testHeap = 1 << 30
)

// execute runs a test file's VM to its end, driving the clock.
func (s *stage) execute(ctx context.Context, built scripts.BuildResult, h test.Host, argument any) message.Outcome {
	failed := func(err error) message.Outcome {
		return message.Outcome{Error: &message.ScriptError{Code: string(fault.CodeOf(err)), Name: "Error", Message: err.Error(), Hint: fault.HintOf(err)}}
	}
	sup, err := supervisor.New(supervisor.Options{
		Clock: s.clk, Log: s.logger(), Dial: func(string) (message.Conn, error) { return s.workers.serve(h), nil },
	})
	if err != nil {
		return failed(err)
	}
	body, err := json.Marshal(argument)
	if err != nil {
		return failed(err)
	}
	v := &testVM{stage: s}
	if strings.Contains(built.Map, `"mappings": ""`) {
		built.Map = "" // an empty file: there is no line to map
	}
	bundle := message.Bundle{Source: built.Source, Map: built.Map, Dir: "", Env: message.Environment{
		Country: s.cfg.Project.Country, Zone: s.cfg.Project.Zone, Language: s.cfg.Project.Language,
	}, Limits: message.Limits{SliceCPU: testCPU, Heap: testHeap}}
	vm, err := sup.Start(supervisor.Spec{
		Script: "test", Version: "test", Bundle: func() message.Bundle { return bundle },
		Entry: message.Entry{Export: "default", Argument: body, Now: s.clk.Now()},
	}, v)
	if err != nil {
		return failed(err)
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	err = s.drive(ctx, s.lastMoment(), func() bool { return v.done.Load() != nil })
	if err == nil {
		return *v.done.Load()
	}
	// The VM knows where it waits: ended, it says so.
	vm.Kill()
	s.clk.Settle()
	o := failed(err)
	if last := v.done.Load(); last != nil && last.Error != nil {
		o.Error.Place, o.Error.Frame = last.Error.Place, last.Error.Frame
	}
	if errors.Is(ctx.Err(), context.Canceled) && err == nil {
		o.Error.Code = string(fault.Unavailable)
	}
	return o
}
