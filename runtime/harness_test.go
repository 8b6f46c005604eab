package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/runtime/message"
)

var testStart = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// host is the other side of a worker in memory, under a virtual clock.
type host struct {
	t      testing.TB
	clock  *clock.Virtual
	conn   message.Conn
	served chan error

	// answer decides what a request gets; nil or ok=false leaves it open.
	answer func(r message.Request) (value any, err *message.Error, ok bool)

	mu       sync.Mutex
	requests []recorded
	updates  []message.State
	outcomes map[uint64]message.Outcome
	loaded   []message.LoadResult
	pongs    []message.Health
	limits   message.Limits
	env      message.Environment
	next     uint64
}

type recorded struct {
	vm, seq uint64
	message.Request
}

func newHost(t testing.TB, o Options) *host {
	t.Helper()
	h := &host{t: t, clock: clock.NewVirtual(testStart), served: make(chan error, 1), outcomes: map[uint64]message.Outcome{}}
	o.Clock = h.clock
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	hostEnd, workerEnd := message.Pipe(h.clock)
	h.conn = hostEnd
	go func() { h.served <- ServeConn(context.Background(), workerEnd, o) }()
	read := make(chan struct{})
	go func() { defer close(read); h.read() }()
	t.Cleanup(func() {
		hostEnd.Close()
		select {
		case err := <-h.served:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the worker does not end")
		}
		<-read
	})
	return h
}

func (h *host) read() {
	for {
		f, err := h.conn.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				h.t.Errorf("receive: %v", err)
			}
			return
		}
		h.take(f)
	}
}

func (h *host) take(f message.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch f.Kind {
	case message.Call:
		r := recorded{vm: f.VM, seq: uint64(f.Seq)}
		mustDecode(h.t, f, &r.Request)
		h.requests = append(h.requests, r)
		if h.answer == nil || f.Seq == 0 {
			return
		}
		if v, e, ok := h.answer(r.Request); ok {
			h.settle(f.VM, f.Seq, v, e)
		}
	case message.Update:
		var s message.State
		mustDecode(h.t, f, &s)
		h.updates = append(h.updates, s)
	case message.Done:
		var o message.Outcome
		mustDecode(h.t, f, &o)
		if _, twice := h.outcomes[f.VM]; twice {
			h.t.Errorf("VM %d is done twice", f.VM)
		}
		h.outcomes[f.VM] = o
	case message.Loaded:
		var l message.LoadResult
		mustDecode(h.t, f, &l)
		h.loaded = append(h.loaded, l)
	case message.Pong:
		var p message.Health
		mustDecode(h.t, f, &p)
		h.pongs = append(h.pongs, p)
	}
}

func mustDecode(t testing.TB, f message.Frame, v any) {
	t.Helper()
	if err := f.Decode(v); err != nil {
		t.Errorf("%v", err)
	}
}

func (h *host) send(k message.Kind, vm uint64, seq uint32, body any) {
	h.t.Helper()
	f, err := message.Encode(k, vm, seq, body)
	if err == nil {
		err = h.conn.Send(f)
	}
	if err != nil {
		h.t.Errorf("send %s: %v", k, err)
	}
}

func (h *host) settle(vm uint64, seq uint32, value any, e *message.Error) {
	text, err := json.Marshal(value)
	if err != nil {
		h.t.Error(err)
	}
	h.send(message.Settle, vm, seq, message.AppendAnswer(nil, message.Answer{Value: text, Error: e}))
}

// load sends a version named after its number.
func (h *host) load(version, source string) {
	h.loadBundle(message.Bundle{Script: "test", Version: version, Source: source})
}

func (h *host) loadBundle(b message.Bundle) {
	b.Limits, b.Env = h.limits, h.env
	h.send(message.Load, 0, 0, b)
}

// start runs an export and returns the VM's number.
func (h *host) start(version, export string, argument any) uint64 {
	text, err := json.Marshal(argument)
	if err != nil {
		h.t.Fatal(err)
	}
	h.next++
	h.send(message.Start, h.next, 0, message.Entry{Script: "test", Version: version, Export: export, Argument: text})
	return h.next
}

// run loads source as a module body and runs its default export to its end.
func (h *host) run(source string) message.Outcome {
	h.t.Helper()
	h.load("1", source)
	return h.outcome(h.start("1", "default", map[string]string{"name": "Anna"}))
}

// outcome waits until nothing is in flight and takes what the VM has ended
// with.
func (h *host) outcome(vm uint64) message.Outcome {
	h.t.Helper()
	h.clock.Settle()
	h.mu.Lock()
	defer h.mu.Unlock()
	o, ok := h.outcomes[vm]
	if !ok {
		h.t.Fatalf("VM %d has not ended; requests so far: %v", vm, h.requests)
	}
	return o
}

func (h *host) ended(vm uint64) bool {
	h.clock.Settle()
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.outcomes[vm]
	return ok
}

// seen is what has been requested so far, as "method args".
func (h *host) seen() []string {
	h.clock.Settle()
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, r := range h.requests {
		out = append(out, r.Method+" "+string(r.Args))
	}
	return out
}

// echo answers every request with its arguments.
func echo(r message.Request) (any, *message.Error, bool) { return r.Args, nil, true }

// bundle builds TypeScript as the scripts package does.
func bundle(t testing.TB, files map[string]string, entry string) message.Bundle {
	t.Helper()
	dir := t.TempDir()
	plugin := api.Plugin{Name: "memory", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: "^loopstart:"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: a.Path, External: true}, nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: "."}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: dir + "/" + strings.TrimPrefix(a.Path, "./"), Namespace: "file"}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: "."}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			text := files[strings.TrimPrefix(a.Path, dir+"/")]
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderTS}, nil
		})
	}}
	r := api.Build(api.BuildOptions{
		EntryPoints: []string{entry}, Bundle: true, Format: api.FormatCommonJS, Target: api.ES2022, Sourcemap: api.SourceMapExternal, Charset: api.CharsetUTF8,
		Outfile: dir + "/out.js", AbsWorkingDir: dir, Plugins: []api.Plugin{plugin},
		Supported: map[string]bool{"async-generator": false, "for-await": false},
		Banner:    map[string]string{"js": strictBanner}, Platform: api.PlatformNeutral,
	})
	if len(r.Errors) > 0 {
		t.Fatalf("esbuild: %v", r.Errors)
	}
	b := message.Bundle{Script: "test", Version: "ts"}
	for _, f := range r.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			b.Map = string(f.Contents)
		} else {
			b.Source = string(f.Contents)
		}
	}
	return b
}
