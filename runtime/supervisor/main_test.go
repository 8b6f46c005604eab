package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dop251/goja"
	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib"
)

// The test binary is also the worker: with this variable set it serves, or
// misbehaves as its value says.
const workerVariable = "LOOPSTART_TEST_WORKER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(workerVariable); mode != "" {
		os.Exit(workerMain(mode))
	}
	os.Exit(m.Run())
}

func workerMain(mode string) int {
	if mode == "build" {
		return buildMain()
	}
	in, out, err := runtime.Stdio()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch mode {
	case "crash":
		fmt.Fprintln(os.Stderr, "fatal error: made to crash")
		return 3
	case "silent":
		_ = unix.Pause()
	case "garbage":
		out.WriteString("this is no frame, whatever it may look like")
		_ = unix.Pause()
	}
	options := workerOptions()
	if mode == "stdlib" {
		options = stdlib.Worker(runtime.Options{})
	}
	if err := runtime.Serve(context.Background(), in, out, options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// workerOptions give scripts host(method, args), print and a few ways to harm
// their worker.
func workerOptions() runtime.Options {
	return runtime.Options{Globals: func(vm *runtime.VM) error {
		functions := map[string]func(goja.FunctionCall) goja.Value{
			"host":  func(c goja.FunctionCall) goja.Value { return vm.Call(c.Argument(0).String(), c.Argument(1)) },
			"print": func(c goja.FunctionCall) goja.Value { fmt.Fprintln(os.Stderr, c.Argument(0)); return nil },
			"die":   func(goja.FunctionCall) goja.Value { os.Exit(9); return nil },
			"set":   func(c goja.FunctionCall) goja.Value { vm.SetResult(c.Argument(0)); return nil },
			"stop":  func(goja.FunctionCall) goja.Value { return stopWorld() },
			"pid":   func(goja.FunctionCall) goja.Value { return vm.Runtime().ToValue(os.Getpid()) },
		}
		for name, fn := range functions {
			if err := vm.Runtime().Set(name, vm.Func(name, fn)); err != nil {
				return err
			}
		}
		return nil
	}}
}

// stopWorld hangs the whole process: busy threads that no signal of the
// scheduler can stop would need assembly, so it lets itself be stopped.
func stopWorld() goja.Value {
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), stopSignal); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return nil
}

// fixture is a supervisor of real processes.
type fixture struct {
	*Supervisor
	t   testing.TB
	log *syncBuffer
}

func newFixture(t testing.TB, change func(*Options)) *fixture {
	t.Helper()
	log := &syncBuffer{}
	o := Options{
		Command: func(string) *exec.Cmd { return workerCommand("serve") },
		Log:     slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Limits:  Limits{Closing: time.Second},
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	before := goruntime.NumGoroutine()
	t.Cleanup(func() {
		s.Close()
		if st := s.Stats(); st.Running != 0 || st.Ended != st.Started || len(st.Workers) != 0 {
			t.Errorf("after Close: %+v", st)
		}
		noLeak(t, before)
	})
	return &fixture{Supervisor: s, t: t, log: log}
}

func workerCommand(mode string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+mode)
	return cmd
}

// inMemory is a supervisor whose workers are goroutines under a virtual clock.
func inMemory(t testing.TB) (*fixture, *clock.Virtual) {
	v := clock.NewVirtual(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))
	return newFixture(t, func(o *Options) {
		o.Command, o.Clock = nil, v
		o.Dial = func(string) (message.Conn, error) {
			host, worker := message.Pipe(v)
			options := workerOptions()
			options.Clock = v
			go func() {
				if err := runtime.ServeConn(context.Background(), worker, options); err != nil {
					t.Errorf("serve: %v", err)
				}
			}()
			return host, nil
		}
	}), v
}

func noLeak(t testing.TB, before int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for goruntime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Errorf("%d goroutines are left, there were %d:\n%s", goruntime.NumGoroutine(), before, stacks[:goruntime.Stack(stacks, true)])
			return
		}
		goruntime.Gosched()
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.b.String(), text)
}

// probe is a Handler that answers echo, keeps open what is named "open", and
// collects the rest.
type probe struct {
	t       testing.TB
	mu      sync.Mutex
	updates []message.State
	opened  []uint32
	open    chan struct{} // a request "open" has come
	done    chan message.Outcome
	ended   bool
}

func newProbe(t testing.TB) *probe {
	return &probe{t: t, open: make(chan struct{}, 100), done: make(chan message.Outcome, 1)}
}

func (p *probe) Request(vm *Instance, seq uint32, r message.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		p.t.Error("a request after Done")
	}
	switch {
	case r.Method == "open":
		p.opened = append(p.opened, seq)
		p.open <- struct{}{}
	case seq != 0:
		vm.Settle(seq, r.Args, nil)
	}
}

func (p *probe) Update(s message.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.updates = append(p.updates, s)
}

func (p *probe) Done(o message.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		p.t.Error("Done comes twice")
	}
	p.ended = true
	p.done <- o
}

func (p *probe) wait() message.Outcome {
	p.t.Helper()
	select {
	case o := <-p.done:
		return o
	case <-time.After(3 * time.Minute):
		p.t.Fatal("Done does not come")
		return message.Outcome{}
	}
}

func (p *probe) waitOpen() {
	p.t.Helper()
	select {
	case <-p.open:
	case o := <-p.done:
		p.t.Fatalf("ended early: %+v", o.Error)
	case <-time.After(3 * time.Minute):
		p.t.Fatal("the request does not come")
	}
}

func spec(script, source string, argument any) Spec {
	text, err := json.Marshal(argument)
	if err != nil {
		panic(err)
	}
	return Spec{
		Script: script, Version: fmt.Sprintf("%x", hash(source)),
		Bundle: func() message.Bundle {
			return message.Bundle{Source: source, Limits: message.Limits{SliceCPU: 100 * time.Millisecond}}
		},
		Entry: message.Entry{Export: "default", Argument: text},
	}
}

func (f *fixture) start(script, source string, argument any) (*Instance, *probe) {
	f.t.Helper()
	p := newProbe(f.t)
	vm, err := f.Start(spec(script, source, argument), p)
	if err != nil {
		f.t.Fatal(err)
	}
	return vm, p
}
