package supervisor

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/lockdown"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/scripts"
)

var update = flag.Bool("update", false, "write docs/SANDBOX.md's table")

const (
	hostileFolder = "../testdata/hostile"
	sandboxPage   = "../../docs/SANDBOX.md"
	// endsWithin is the promise: the offending call ends within this time, on a
	// machine that gives its worker a core.
	endsWithin = 2 * time.Second
	// attempts are made of a script that took longer: tests of other packages
	// run at the same time.
	attempts = 2
)

// The ways in which a hostile script can end.
const (
	refused  = "refused"  // by the build
	alone    = "alone"    // its call ends with LIMIT or another error, the worker goes on
	replaced = "replaced" // the worker ends with it and is replaced
	harmless = "harmless" // it returns
)

// hostile is one file of the corpus.
type hostile struct {
	name, what string
	expected   map[string]string // by guard: one of the ways, or several with "or"
	bundle     scripts.BuildResult
	used       time.Duration // CPU of the worker in the last attempt
}

var repeated = regexp.MustCompile(`/\*(\d+) (.*?)\*/`)

func readHostile(t testing.TB, path string) (h hostile, source string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(string(text), "\n", 4)
	h.name = strings.TrimSuffix(filepath.Base(path), ".js")
	h.what = strings.TrimPrefix(lines[0], "// ")
	light, ok1 := strings.CutPrefix(lines[1], "// light: ")
	full, ok2 := strings.CutPrefix(lines[2], "// full: ")
	if !ok1 || !ok2 {
		t.Fatalf("%s has no expected outcomes", path)
	}
	h.expected = map[string]string{"light": light, "full": full}
	return h, repeated.ReplaceAllStringFunc(string(text), func(m string) string {
		parts := repeated.FindStringSubmatch(m)
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Repeat(parts[2], n)
	})
}

// buildMain is a build child as the engine has it.
func buildMain() int {
	var r scripts.BuildRequest
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return 2
	}
	lockdown.Apply(lockdown.Build([]string{r.Dir}))
	res := scripts.Bundle(r)
	if len(res.Errors) == 0 {
		if _, serr := runtime.Inspect(message.Bundle{Script: r.Script, Source: res.Source, Map: res.Map}); serr != nil {
			res.Errors = append(res.Errors, scripts.Diagnostic{Place: serr.Place, Message: serr.Message})
		}
	}
	if json.NewEncoder(os.Stdout).Encode(res) != nil {
		return 2
	}
	return 0
}

// build runs a build child; a crash of it is one more error of the source.
func (h *hostile) build(t *testing.T, source string) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/a.js", []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(scripts.BuildRequest{Dir: dir, Script: h.name, Entry: "a.js"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := workerCommand("build")
	cmd.Stdin = bytes.NewReader(request)
	out, err := cmd.Output()
	if err != nil {
		h.bundle.Errors = []scripts.Diagnostic{{Message: "the child died: " + err.Error()}}
	} else if err := json.Unmarshal(out, &h.bundle); err != nil {
		t.Fatal(err)
	}
}

// TestHostileScripts runs the corpus in real worker processes beside a benign
// call, and a benign script in another worker the whole time.
func TestHostileScripts(t *testing.T) {
	if underRace {
		t.Skip("the race detector needs more than a worker may have")
	}
	paths, err := filepath.Glob(hostileFolder + "/*.js")
	if err != nil || len(paths) < 60 {
		t.Fatal(len(paths), err)
	}
	var mu sync.Mutex
	var all []hostile
	before := goruntime.NumGoroutine()
	stop := neighbour(t)
	t.Run("corpus", func(t *testing.T) {
		for i, path := range paths {
			if testing.Short() && i%8 != 0 {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(path), ".js"), func(t *testing.T) {
				t.Parallel()
				h, source := readHostile(t, path)
				h.build(t, source)
				f := workers(t)
				defer f.Close()
				for _, guard := range []string{"full", "light"} { // full leaves the worker alive
					h.attack(t, f, guard)
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, h)
			})
		}
	})
	stop().Close()
	noLeak(t, before)
	if !testing.Short() {
		slices.SortFunc(all, func(a, b hostile) int { return strings.Compare(a.name, b.name) })
		checkTable(t, all)
	}
}

// attack runs the script under a guard and compares what became of it.
func (h *hostile) attack(t *testing.T, f *fixture, guard string) {
	var got, detail string
	var took time.Duration
	for range attempts {
		if got, detail, took = h.once(t, f, guard); took <= endsWithin {
			break
		}
		f = workers(t) // without the back-off of the first one
		defer f.Close()
	}
	t.Logf("%-5s %-8s %6s %s (CPU %s)", guard, got, took.Round(time.Millisecond), detail, h.used)
	if !slices.Contains(strings.Split(h.expected[guard], " or "), got) {
		t.Errorf("%s: %s (%s), want %s", guard, got, detail, h.expected[guard])
	}
	if took <= endsWithin {
		return
	}
	switch crowd := crowding(); {
	case took <= endsWithin*crowd:
	case h.used < took*9/10:
		t.Logf("%s: it took %s, of which its worker had the processor for %s", guard, took, h.used)
	case crowd > 2: // niceness leaves a worker next to nothing then
		t.Logf("%s: it took %s while %d threads wanted each core", guard, took, crowd)
	default:
		t.Errorf("%s: it took %s", guard, took)
	}
}

// crowding is how many times longer than its CPU time a thread takes now, or
// how many threads want each core; workers come behind all others.
func crowding() time.Duration {
	var load float64
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &load) // 0 counts as an idle machine
	}
	return max(spinning(), time.Duration(load)/time.Duration(goruntime.NumCPU()))
}

func spinning() time.Duration {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	begun, used := time.Now(), threadTime()
	for threadTime()-used < 50*time.Millisecond {
	}
	return max(1, (time.Since(begun)+25*time.Millisecond)/(50*time.Millisecond))
}

func threadTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

const facts = `{"handle":"c1","id":"1","direction":"inbound","from":{"uri":"sip:a@b","user":"a","host":"b","name":""},"to":{"uri":"sip:c@d","user":"c","host":"d"},
"remote":{"uri":"sip:a@b","user":"a","host":"b"},"headers":[],"data":{},"script":"x","startedAt":"2026-11-21T10:00:00Z","state":"ringing","language":"ru-RU"}`

func (h *hostile) spec(guard, source string) Spec {
	return Spec{
		Script: h.name, Version: fmt.Sprintf("%s-%x", guard, hash(source)),
		Bundle: func() message.Bundle { return message.Bundle{Source: source, Guard: guard} },
		Entry:  message.Entry{Export: "default", Argument: json.RawMessage(facts)},
	}
}

const waitsForEver = `exports.default = async call => { for (;;) await new Promise(r => setTimeout(r, 10)) }`

// workers is a supervisor of real workers; the goroutines of all that run at
// the same time are counted when they are done.
func workers(t *testing.T) *fixture {
	log := &syncBuffer{}
	s, err := New(Options{
		Command: func(string) *exec.Cmd { return workerCommand("stdlib") },
		Log:     slog.New(slog.NewTextHandler(log, nil)), Limits: Limits{Closing: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Supervisor: s, t: t, log: log}
}

// once runs the script beside a benign call and says how it ended.
func (h *hostile) once(t *testing.T, f *fixture, guard string) (got, detail string, took time.Duration) {
	if len(h.bundle.Errors) > 0 {
		return refused, clipped(h.bundle.Errors[0].Message), 0
	}
	start := func(source string) (*Instance, *quiet) {
		q := &quiet{done: make(chan message.Outcome, 1)}
		vm, err := f.Start(h.spec(guard, source), q)
		if err != nil {
			t.Fatal(err)
		}
		return vm, q
	}
	if err := f.Preload(h.spec(guard, h.bundle.Source)); err != nil {
		t.Fatal(err)
	}
	if o := second(start(`exports.default = () => 1`)).wait(t); o.Error != nil {
		t.Fatal(o.Error) // the worker is up
	}
	benign, beside := start(waitsForEver)
	pid := f.Stats().Workers[0].PID
	begun := time.Now()
	stop := h.watch(pid)
	o := second(start(h.bundle.Source)).wait(t)
	took = time.Since(begun)
	stop()
	got, detail = harmless, string(o.Value)
	if o.Error != nil {
		got, detail = alone, o.Error.Code+" "+o.Error.Message
		if o.Error.Name == "WorkerError" {
			got = replaced
		}
		if o.Error.Code == "INTERNAL" || o.Error.Code == "UNAVAILABLE" {
			t.Errorf("%s: not named: %+v", guard, o.Error)
		}
	}
	h.after(t, f, guard, got, pid, benign, beside)
	return got, clipped(detail), took
}

// after checks the benign call and that the script's next call runs.
func (h *hostile) after(t *testing.T, f *fixture, guard, got string, pid int, benign *Instance, beside *quiet) {
	if got == replaced {
		if o := beside.wait(t); o.Error == nil || o.Error.Code != "UNAVAILABLE" || o.Error.Message == "" {
			t.Errorf("%s: the call beside: %+v", guard, o.Error)
		}
	} else {
		if size := resident(pid); size > 500<<20 {
			t.Errorf("%s: the worker keeps %d MB", guard, size>>20)
		}
		benign.Kill()
		if o := beside.wait(t); o.Error == nil || !strings.Contains(o.Error.Message, "killed") {
			t.Errorf("%s: the call beside: %+v", guard, o.Error)
		}
	}
	q := &quiet{done: make(chan message.Outcome, 1)}
	if _, err := f.Start(h.spec(guard, `exports.default = () => 2`), q); err != nil {
		t.Fatal(err)
	}
	if o := q.wait(t); o.Error != nil {
		t.Errorf("%s: the next call: %+v", guard, o.Error)
	}
}

func second(_ *Instance, q *quiet) *quiet { return q }

// watch follows the CPU time of the worker until stop is called: a dead process
// cannot be asked.
func (h *hostile) watch(pid int) (stop func()) {
	before, done, over := processTime(pid), make(chan struct{}), make(chan struct{})
	h.used = 0
	go func() {
		defer close(over)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				h.used = max(h.used, processTime(pid)-before)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-over
	}
}

// processTime is the CPU time of all threads of a process, 0 when it is gone.
func processTime(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if err != nil || !ok || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	return time.Duration(user+system) * tick
}

func resident(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// quiet is a Handler that leaves all requests open.
type quiet struct{ done chan message.Outcome }

func (q *quiet) Request(*Instance, uint32, message.Request) {}
func (q *quiet) Update(message.State)                       {}
func (q *quiet) Done(o message.Outcome)                     { q.done <- o }

func (q *quiet) wait(t *testing.T) message.Outcome {
	select {
	case o := <-q.done:
		return o
	case <-time.After(time.Minute):
		t.Fatal("Done does not come")
		return message.Outcome{}
	}
}

// neighbour is a benign script in a worker of its own that asks the host for
// something every few milliseconds until stop is called.
func neighbour(t *testing.T) (stop func() *fixture) {
	f := newFixture(t, nil)
	done := make(chan message.Outcome, 1)
	vm, err := f.Start(spec("neighbour", `exports.default = async () => { for (;;) { await host("echo", 1); await new Promise(r => setTimeout(r, 5)) } }`, nil), &counter{done: done})
	if err != nil {
		t.Fatal(err)
	}
	return func() *fixture {
		before := f.Stats()
		if before.Crashes != 0 || before.Running != 1 || before.Requests == 0 {
			t.Errorf("the neighbour: %+v", before)
		}
		vm.Kill()
		<-done
		return f
	}
}

func clipped(s string) string {
	if len(s) > 110 {
		return s[:110] + "…"
	}
	return s
}

const (
	tableBegin = "<!-- table: written by go test ./runtime/supervisor -run TestHostileScripts -update -->\n"
	tableEnd   = "<!-- end of table -->\n"
)

func checkTable(t *testing.T, all []hostile) {
	if t.Failed() {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d scripts.\n\n| script | what it does | `light` | `full` |\n|---|---|---|---|\n", len(all))
	for _, h := range all {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", h.name, h.what, h.expected["light"], h.expected["full"])
	}
	page, err := os.ReadFile(sandboxPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(page), tableBegin)
	_, tail, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatal("the page has no table")
	}
	want := head + tableBegin + b.String() + tableEnd + tail
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatal("docs/SANDBOX.md is out of date: run with -update")
	}
	if err := os.WriteFile(sandboxPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
