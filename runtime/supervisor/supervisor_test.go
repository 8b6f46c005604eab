package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

const (
	waits = `exports.default = async () => await host("open")`
	echos = `exports.default = async (n) => { set({n}); return (await host("echo", n)) + 1 }`
)

func TestStartRunsInAProcess(t *testing.T) {
	f := newFixture(t, nil)
	_, p := f.start("a", echos, 41)
	if o := p.wait(); o.Error != nil || string(o.Value) != "42" {
		t.Fatalf("%+v", o.Error)
	}
	if len(p.updates) != 1 || string(p.updates[0].Result) != `{"n":41}` {
		t.Fatalf("%+v", p.updates)
	}
	for i := range 5 { // the worker is kept warm, and the version loaded
		_, p := f.start("a", echos, i)
		p.wait()
	}
	if st := f.Stats(); st.Processes != 1 || st.Started != 6 || st.Crashes != 0 || st.Requests != 6 || len(st.Workers) != 1 || st.Workers[0].PID == 0 {
		t.Fatalf("%+v", st)
	}
}

func TestWorkerProcessIsSetUp(t *testing.T) {
	f := newFixture(t, nil)
	s := spec("a", `exports.default = async () => { await host("open"); return [new Date(0).getHours(), /^(a+)+$/.test("a".repeat(40) + "b")] }`, nil)
	bundle := s.Bundle()
	bundle.Env.Zone = "Asia/Almaty" // UTC+6 in 1970
	s.Bundle = func() message.Bundle { return bundle }
	p := newProbe(t)
	vm, err := f.Start(s, p)
	if err != nil {
		t.Fatal(err)
	}
	p.waitOpen()
	pid := pidOf(t, f, "script a")
	group, err := syscall.Getpgid(pid)
	if err != nil || group != pid {
		t.Errorf("process group %d of process %d, %v", group, pid, err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	session, err := unix.Getsid(0)
	if fields := strings.Fields(rest); err != nil || fields[3] != fmt.Sprint(session) || fields[16] != "19" {
		t.Errorf("session %s, niceness %s, %v", fields[3], fields[16], err)
	}
	vm.Settle(p.opened[0], nil, nil)
	if o := p.wait(); string(o.Value) != "[6,false]" {
		t.Fatalf("%s %+v", o.Value, o.Error)
	}
}

func TestScriptsHaveProcessesOfTheirOwn(t *testing.T) {
	f := newFixture(t, nil)
	source := `exports.default = () => pid()`
	_, a := f.start("a", source, nil)
	_, b := f.start("b", source, nil)
	_, a2 := f.start("a", source, nil)
	pidA, pidB, pidA2 := string(a.wait().Value), string(b.wait().Value), string(a2.wait().Value)
	if pidA == pidB || pidA != pidA2 {
		t.Fatalf("%s %s %s", pidA, pidB, pidA2)
	}
}

func TestSettleWithErrorAndEvents(t *testing.T) {
	f := newFixture(t, nil)
	vm, p := f.start("a", `exports.default = async () => { try { await host("open") } catch (e) { return [e.code, e.message, e.hint] } }`, nil)
	p.waitOpen()
	vm.Settle(p.opened[0], nil, fmt.Errorf("call: say: %w", fault.New(fault.Media, "no voice").WithHint("install one")))
	if o := p.wait(); string(o.Value) != `["MEDIA","call: say: no voice","install one"]` {
		t.Fatalf("%s %+v", o.Value, o.Error)
	}
	vm.Settle(1, "late", nil) // nothing happens
	vm.Event(message.Notice{Name: "late"})
	vm.End("late")
	vm.Kill()
}

func TestEndlessLoopEndsOnlyItself(t *testing.T) {
	f := newFixture(t, nil)
	source := waits + `; exports.loop = () => { for (;;) {} }`
	good, p := f.start("a", source, nil)
	s := spec("a", source, nil)
	s.Entry.Export = "loop"
	bad := newProbe(t)
	if _, err := f.Start(s, bad); err != nil {
		t.Fatal(err)
	}
	if o := bad.wait(); o.Error == nil || o.Error.Code != "LIMIT" || !strings.Contains(o.Error.Message, "script_cpu") {
		t.Fatalf("%+v", o.Error)
	}
	p.waitOpen()
	good.Settle(p.opened[0], 5, nil)
	if o := p.wait(); string(o.Value) != "5" {
		t.Fatalf("%+v", o)
	}
}

func TestKilledWorkerEndsItsScriptsAndIsReplaced(t *testing.T) {
	f := newFixture(t, nil)
	_, first := f.start("a", waits, nil)
	_, second := f.start("a", waits, nil)
	_, other := f.start("b", waits, nil)
	first.waitOpen()
	second.waitOpen()
	other.waitOpen()
	if err := syscall.Kill(pidOf(t, f, "script a"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*probe{first, second} {
		if o := p.wait(); o.Error == nil || o.Error.Code != "UNAVAILABLE" || !strings.Contains(o.Error.Message, "signal: killed") {
			t.Fatalf("%+v", o.Error)
		}
	}
	_, again := f.start("a", echos, 1)
	if o := again.wait(); string(o.Value) != "2" {
		t.Fatalf("%+v", o.Error)
	}
	if len(other.done) != 0 {
		t.Fatal("the other script is hit")
	}
	if st := f.Stats(); st.Crashes != 1 {
		t.Fatalf("%+v", st)
	}
}

func pidOf(t *testing.T, f *fixture, name string) int {
	t.Helper()
	for _, w := range f.Stats().Workers {
		if w.Name == name {
			return w.PID
		}
	}
	t.Fatalf("no worker %s", name)
	return 0
}

func TestScriptThatKillsItsWorker(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Limits.Stuck = time.Minute }) // it dies of itself, however slowly
	for name, c := range map[string]struct{ source, code, part string }{
		"exit":   {`exports.default = () => die()`, "UNAVAILABLE", "exit status 9"},
		"memory": {`exports.default = () => "x".repeat(2 ** 42)`, "LIMIT", "out of memory"},
		"stack":  {`exports.default = () => { const t = {}; Object.setPrototypeOf(t, new Proxy(t, {})); return t.x }`, "LIMIT", "stack overflow"},
	} {
		_, innocent := f.start(name, waits, nil)
		innocent.waitOpen()
		_, p := f.start(name, c.source, nil)
		if o := p.wait(); o.Error == nil || o.Error.Code != c.code || !strings.Contains(o.Error.Message, c.part) {
			t.Errorf("%s: %+v", name, o.Error)
		}
		if o := innocent.wait(); o.Error == nil || o.Error.Code != "UNAVAILABLE" || !strings.Contains(o.Error.Message, c.part) {
			t.Errorf("%s, another call: %+v", name, o.Error)
		}
	}
	if !f.log.has("fatal error") {
		t.Error("the worker's last words are not in the log")
	}
}

func TestStuckNativeIsKilledAndNamed(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Limits.Stuck = 300 * time.Millisecond })
	_, innocent := f.start("a", waits, nil)
	innocent.waitOpen()
	_, stuck := f.start("a", `exports.default = () => [].indexOf.call({length: 2 ** 53}, 1)`, nil)
	if o := stuck.wait(); o.Error == nil || o.Error.Code != "LIMIT" || !strings.Contains(o.Error.Message, "(limit stuck)") {
		t.Fatalf("%+v", o.Error)
	}
	if o := innocent.wait(); o.Error == nil || o.Error.Code != "UNAVAILABLE" {
		t.Fatalf("%+v", o.Error)
	}
	_, again := f.start("a", echos, 1)
	if o := again.wait(); string(o.Value) != "2" {
		t.Fatalf("%+v", o.Error)
	}
	if st := f.Stats(); st.Stuck != 1 {
		t.Fatalf("%+v", st)
	}
}

func TestStoppedProcessIsKilled(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Limits.Stuck = 100 * time.Millisecond })
	_, p := f.start("a", `exports.default = () => { stop(); return new Promise(() => {}) }`, nil)
	if o := p.wait(); o.Error == nil || o.Error.Code != "LIMIT" || !strings.Contains(o.Error.Message, "has not answered") {
		t.Fatalf("%+v", o.Error)
	}
}

func TestMemoryLimitIsNamed(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Limits.Memory, o.Limits.PerVM = 60<<20, 1 })
	s := spec("a", `exports.default = async () => { const keep = []; for (;;) { keep.push(new Uint8Array(25e4).fill(1)); await host("x") } }`, nil)
	bundle := s.Bundle()
	bundle.Limits.Heap, bundle.Limits.SliceCPU = 8<<30, 5*time.Second
	s.Bundle = func() message.Bundle { return bundle }
	p := newProbe(t)
	if _, err := f.Start(s, p); err != nil {
		t.Fatal(err)
	}
	if o := p.wait(); o.Error == nil || o.Error.Code != "LIMIT" || !strings.Contains(o.Error.Message, "(limit memory)") {
		t.Fatalf("%+v", o.Error)
	}
}

func TestCrashLoopBacksOff(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Command = func(string) *exec.Cmd { return workerCommand("crash") } })
	for i := range 2 {
		_, p := f.start("a", echos, 1)
		if o := p.wait(); o.Error == nil || o.Error.Code != "UNAVAILABLE" || !strings.Contains(o.Error.Message, "fatal error: made to crash") {
			t.Fatalf("try %d: %+v", i, o.Error)
		}
	}
	_, err := f.Start(spec("a", echos, 1), newProbe(t))
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "crashed 2 times in a row") {
		t.Fatal(err)
	}
	if st := f.Stats(); st.Crashes != 2 || st.Refused != 1 {
		t.Fatalf("%+v", st)
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range []time.Duration{0, 0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, maxBackoff, maxBackoff} {
		if got := backoff(failures); got != want {
			t.Errorf("%d: %s, want %s", failures, got, want)
		}
	}
}

func TestWorkersThatAreNoWorkers(t *testing.T) {
	for mode, c := range map[string]struct{ code, part string }{
		"silent":  {"UNAVAILABLE", "not ready after 300ms"},
		"garbage": {"UNAVAILABLE", "failed: message: "},
	} {
		f := newFixture(t, func(o *Options) {
			o.Command = func(string) *exec.Cmd { return workerCommand(mode) }
			o.Limits.Ready = 300 * time.Millisecond
		})
		_, p := f.start("a", echos, 1)
		if o := p.wait(); o.Error == nil || o.Error.Code != c.code || !strings.Contains(o.Error.Message, c.part) {
			t.Errorf("%s: %+v", mode, o.Error)
		}
	}
	f := newFixture(t, func(o *Options) { o.Command = func(string) *exec.Cmd { return exec.Command("/nonexistent/worker") } })
	_, p := f.start("a", echos, 1)
	if o := p.wait(); o.Error == nil || o.Error.Code != "UNAVAILABLE" {
		t.Errorf("missing binary: %+v", o.Error)
	}
}

func TestStderrIsLogged(t *testing.T) {
	f := newFixture(t, nil)
	_, p := f.start("a", `exports.default = () => print("hello from the worker")`, nil)
	p.wait()
	for deadline := time.Now().Add(10 * time.Second); !f.log.has("hello from the worker"); {
		if time.Now().After(deadline) {
			t.Fatal("not logged")
		}
	}
}

func TestSharedWorkersAndLonelyScripts(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Isolation, o.Workers = PerCore, 1; o.Limits.Stuck = 200 * time.Millisecond })
	source := `exports.default = () => pid()`
	_, a := f.start("a", source, nil)
	_, b := f.start("b", source, nil)
	shared := string(a.wait().Value)
	if other := string(b.wait().Value); other != shared {
		t.Fatalf("%s %s", shared, other)
	}
	stuckSource := `exports.default = n => n ? [].indexOf.call({length: 2 ** 53}, 1) : pid()`
	_, stuck := f.start("bad", stuckSource, 1)
	stuck.wait()
	_, alone := f.start("bad", stuckSource, 0)
	_, together := f.start("a", source, nil)
	alonePid, newShared := string(alone.wait().Value), string(together.wait().Value)
	if alonePid == newShared {
		t.Fatal("the script that was stuck is not alone")
	}
	_, mended := f.start("bad", source, nil)
	if got := string(mended.wait().Value); got != newShared {
		t.Fatal("a new version does not get a new chance")
	}
}

func TestCloseGivesGraceAndEndsAll(t *testing.T) {
	f := newFixture(t, nil)
	good, g := f.start("a", `exports.default = async () => { await host("open") }`, nil)
	_, waiting := f.start("a", waits, nil)
	_, stuck := f.start("b", `exports.default = async () => { await host("open"); }`, nil)
	g.waitOpen()
	waiting.waitOpen()
	stuck.waitOpen()
	closed := make(chan struct{})
	go func() { f.Close(); close(closed) }()
	good.Settle(g.opened[0], nil, nil)
	if o := g.wait(); o.Error != nil {
		t.Fatalf("%+v", o.Error)
	}
	if o := waiting.wait(); o.Error == nil || o.Error.Code != "UNAVAILABLE" {
		t.Fatalf("%+v", o.Error)
	}
	<-closed
	if _, err := f.Start(spec("a", echos, 1), newProbe(t)); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
}

func TestAbandonWaitsForNobody(t *testing.T) {
	f := newFixture(t, nil)
	_, waiting := f.start("a", waits, nil)
	waiting.waitOpen()
	f.Abandon()
	if o := waiting.wait(); o.Error == nil {
		t.Fatalf("%+v", o)
	}
	f.Close()
	if _, err := f.Start(spec("a", echos, 1), newProbe(t)); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
}

func TestPrestartAndPreload(t *testing.T) {
	f := newFixture(t, nil)
	if err := errors.Join(f.Prestart("a"), f.Prestart("a"), f.Preload(spec("b", echos, nil))); err != nil {
		t.Fatal(err)
	}
	if st := f.Stats(); len(st.Workers) != 2 || st.Processes != 2 {
		t.Fatalf("%+v", st)
	}
	f.Retire("b", spec("b", echos, nil).Version)
	_, p := f.start("b", echos, 1)
	if o := p.wait(); string(o.Value) != "2" {
		t.Fatalf("%+v", o.Error)
	}
}

func TestBundleIsAskedForOncePerWorker(t *testing.T) {
	f, v := inMemory(t)
	asked := 0
	s := spec("a", echos, 1)
	bundle := s.Bundle()
	s.Bundle = func() message.Bundle { asked++; return bundle }
	for range 3 {
		if _, err := f.Start(s, newProbe(t)); err != nil {
			t.Fatal(err)
		}
	}
	v.Settle()
	if asked != 1 {
		t.Fatalf("%d times", asked)
	}
}

func TestInMemoryUnderAVirtualClock(t *testing.T) {
	f, v := inMemory(t)
	_, p := f.start("a", `exports.default = async () => {
		await new Promise(done => setTimeout(done, 3600_000));
		return [await host("echo", Date.now())];
	}`, nil)
	v.Advance(time.Hour - time.Millisecond)
	if len(p.done) != 0 {
		t.Fatal("too early")
	}
	v.Advance(time.Millisecond)
	v.Settle()
	if o := p.wait(); string(o.Value) != fmt.Sprintf("[%d]", v.Now().UnixMilli()) {
		t.Fatalf("%s %+v", o.Value, o.Error)
	}
}

func TestThousandScriptsInMemory(t *testing.T) {
	f, v := inMemory(t)
	var probes []*probe
	for i := range 1000 {
		_, p := f.start(fmt.Sprint("script", i%3), echos, i)
		probes = append(probes, p)
	}
	v.Settle()
	for i, p := range probes {
		if o := p.wait(); string(o.Value) != fmt.Sprint(i+1) {
			t.Fatalf("%d: %+v", i, o)
		}
	}
}

func TestInstanceLimit(t *testing.T) {
	f, _ := inMemory(t)
	f.mu.Lock()
	f.instances = MaxInstances - 1
	f.mu.Unlock()
	_, p := f.start("a", waits, nil)
	if _, err := f.Start(spec("a", waits, nil), newProbe(t)); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.instances -= MaxInstances - 1
	f.mu.Unlock()
	if st := f.Stats(); st.Refused != 1 || len(p.done) != 0 {
		t.Fatalf("%+v", st)
	}
}

func TestBacklogLimit(t *testing.T) {
	entered, open := make(chan struct{}), make(chan struct{})
	v := clock.System()
	host, _ := message.Pipe(v)
	f := newFixture(t, func(o *Options) {
		o.Command = nil
		o.Dial = func(string) (message.Conn, error) { close(entered); <-open; return host, nil }
	})
	var vm *Instance
	vm, _ = f.start("a", waits, nil)
	<-entered
	for range MaxBacklog - 2 { // Load and Start are there already
		vm.Event(message.Notice{Name: "x"})
	}
	if f.log.has("message lost") {
		t.Fatal("lost at the limit")
	}
	vm.Event(message.Notice{Name: "x"})
	if !f.log.has("message lost") {
		t.Fatal("taken over the limit")
	}
	close(open)
	// The other end never answers; Close ends the instance.
}
