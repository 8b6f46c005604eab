package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/speech"
	"github.com/loopstart/loopstart/store"
)

// TestMain is also the engine's child processes: the test binary is its own
// script worker and builder.
func TestMain(m *testing.M) {
	switch os.Getenv("ENGINE_TEST_CHILD") {
	case "worker":
		if err := WorkerMain(slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	case "build":
		if err := BuildMain(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv("ENGINE_TEST_CHILD") == "encode" {
		if err := EncodeMain(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func child(kind string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ENGINE_TEST_CHILD="+kind)
	return cmd
}

// project is a running engine on loopback with its scripts.
type project struct {
	*Engine
	dir string
	mu  sync.Mutex
	// ended is every finished call.
	ended []call.Record
}

// serve starts an engine on free ports. yaml is put below the listeners.
func serve(t *testing.T, yaml string, scripts map[string]string) *project {
	t.Helper()
	p := &project{dir: t.TempDir()}
	for name, text := range scripts {
		path := filepath.Join(p.dir, "scripts", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := "sip: {listen: [udp://127.0.0.1:0]}\nproject: {country: RU, language: en-US}\n" + yaml
	file := filepath.Join(p.dir, "loopstart.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.Engine, err = New(cfg, Options{
		Log: slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})), Version: "test",
		Worker: func(string) *exec.Cmd { return child("worker") }, Builder: func() *exec.Cmd { return child("build") },
		Encoder: func() *exec.Cmd { return child("encode") },
		OnEnded: func(r call.Record, _ []call.Entry) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.ended = append(p.ended, r)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// ring calls a script from the built-in caller.
func (p *project) ring(t *testing.T, script, keys string) CallerResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	res, err := Call(ctx, CallerOptions{Target: "sip:" + script + "@" + p.SIPAddr(), Keys: keys, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// eventually waits until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 15 s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// last is the newest record once there are n.
func (p *project) last(t *testing.T, n int) call.Record {
	t.Helper()
	var r call.Record
	eventually(t, fmt.Sprintf("%d records", n), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.ended) < n {
			return false
		}
		r = p.ended[n-1]
		return true
	})
	return r
}

const keysScript = `
import { kv } from "loopstart:core";
export default async function (call) {
  await call.answer();
  const r = await call.gather({ prompt: { play: "tone:440/300ms" }, digits: 2, timeout: "3s" });
  const n = await kv.increment("calls");
  const res = await fetch(call.data.url + "?d=" + r.digits);
  call.result = { digits: r.digits, n, body: await res.text() };
  call.tag("kind", "test");
}
export const config = { permissions: { http: ["127.0.0.1"] } };
`

func TestCallThroughScriptWorkerStoreAndHTTP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "got "+r.URL.Query().Get("d")) }))
	defer s.Close()
	p := serve(t, `routes: [{to: "keys", script: keys, data: {url: "`+s.URL+`"}}]`, map[string]string{"keys.js": keysScript})
	if res := p.ring(t, "keys", "42"); !res.Answered {
		t.Fatalf("%+v", res)
	}
	r := p.last(t, 1)
	if r.Outcome != call.Served || string(r.Result) != `{"digits":"42","n":1,"body":"got 42"}` || r.Tags["kind"] != "test" {
		t.Fatalf("%+v %s", r, r.Result)
	}
	rows, _, err := p.store.ListRecords(storeQuery("keys"))
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
}

func TestTwoEnginesInOneProcess(t *testing.T) {
	script := map[string]string{"one.js": `export default async (call) => { await call.answer(); call.result = 1; }`}
	a, b := serve(t, "", script), serve(t, "", script)
	a.ring(t, "one", "")
	b.ring(t, "one", "")
	a.last(t, 1)
	b.last(t, 1)
}

func TestScriptErrorRunsTheFallback(t *testing.T) {
	p := serve(t, `routes: [{to: bad, script: bad, fallback: [{play: "tone:500/200ms"}, {hangup: true}]}]`, map[string]string{
		"bad.ts": "export default async function (call: any) {\n  await call.answer();\n  call.data.missing.field;\n}\n",
	})
	p.ring(t, "bad", "")
	r := p.last(t, 1)
	if r.Outcome != call.Failed {
		t.Fatalf("%+v", r)
	}
	raw, _, _ := p.store.GetTimeline(r.ID)
	for _, want := range []string{"bad.ts:3:", "3 |   call.data.missing.field;", "is an await missing", "tone:500/200ms", "fallback"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("timeline lacks %s:\n%s", want, raw)
		}
	}
}

func TestEndlessLoopEndsItsOwnCall(t *testing.T) {
	p := serve(t, `routes: [{to: loop, script: loop, fallback: [{hangup: true}]}]`, map[string]string{
		"loop.js": `export default async (call) => { await call.answer(); for (;;) {} }`,
	})
	p.ring(t, "loop", "")
	r := p.last(t, 1)
	raw, _, _ := p.store.GetTimeline(r.ID)
	if r.Outcome != call.Failed || !strings.Contains(string(raw), "script_cpu") {
		t.Fatalf("%+v\n%s", r, raw)
	}
}

// TestReloadOfRecognisers: speech is heard with what the configuration has now.
func TestReloadOfRecognisers(t *testing.T) {
	p := serve(t, "", map[string]string{"a.js": "export default async () => {};"})
	if err := p.recognizer().Ready(speech.ListenOptions{}); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	cfg := *p.Config()
	cfg.Speech.ASR.Engines = []config.ASREngine{{Name: "mine", Driver: "command", Command: []string{"cat"}}}
	if err := p.Reload(&cfg); err != nil {
		t.Fatal(err)
	}
	if err := p.recognizer().Ready(speech.ListenOptions{Engine: "mine"}); err != nil {
		t.Error(err)
	}
}

func TestOrderToNobodyAndToDeniedNumbers(t *testing.T) {
	p := serve(t, `
trunks: {t: {address: "127.0.0.1:9", destinations: ["+7"], options: off}}
`, map[string]string{"one.js": `export const config = {data: {name: "string"}};
export default async (call) => {}; export async function beforeAttempt() { return {skip: "no need"}; }`})
	data := json.RawMessage(`{"name":"x"}`)
	for want, r := range map[fault.Code]OrderRequest{
		fault.NotFound: {Script: "none", To: "+79160000001", Data: data},
		fault.Denied:   {Script: "one", To: "+390612345678", Data: data},
		fault.Invalid:  {Script: "one", To: "+79160000001"},
	} {
		if _, _, err := p.PlaceOrder(r, ""); fault.CodeOf(err) != want {
			t.Errorf("%+v: %v, want %s", r, err, want)
		}
	}
	if _, _, err := p.PlaceOrder(OrderRequest{Script: "one", To: "+7916\r\nX: y", Data: data}, ""); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a number with a line break: %v", err)
	}
	if _, _, err := p.PlaceOrder(OrderRequest{Script: "one", To: "+79160000001", Data: data, Key: strings.Repeat("k", store.MaxKey+1)}, ""); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a key that is too long: %v", err)
	}
	if _, _, err := p.PlaceOrder(OrderRequest{Script: "one", To: "+79160000001", Data: data, Attempts: -1}, ""); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("less than no attempt: %v", err)
	}
	a, created, err := p.PlaceOrder(OrderRequest{Script: "one", To: "8 (916) 000-00-01", Data: data, Key: "k"}, "idem")
	if err != nil || !created {
		t.Fatal(created, err)
	}
	eventually(t, "the order is done", func() bool {
		o, ok, _ := p.store.GetOrder(a.ID)
		return ok && o.State == stateDone && o.To == "+79160000001"
	})
	again, created, err := p.PlaceOrder(OrderRequest{Script: "one", To: "8 (916) 000-00-01", Data: data, Key: "k"}, "idem")
	if err != nil || !created || again.ID != a.ID { // answered as the first time
		t.Fatal(again, created, err)
	}
	if _, _, err := p.PlaceOrder(OrderRequest{Script: "one", To: "+79160000002", Data: data}, "idem"); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), `Idempotency-Key "idem"`) {
		t.Fatal(err)
	}
	late, _, err := p.PlaceOrder(OrderRequest{Script: "one", To: "+79160000009", Data: data, At: "1h"}, "")
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := (*surface)(p.Engine).List(api.Query{State: "queued", Limit: 10})
	if err != nil || len(rows) != 1 || !strings.Contains(string(rows[0]), late.ID) || !strings.Contains(string(rows[0]), `"next_at"`) {
		t.Fatalf("queued: %s %v", rows, err)
	}
	keyed, _, err := p.PlaceOrder(OrderRequest{Script: "one", To: "+79160000009", Data: data, At: "1h", Key: "later"}, "")
	if err != nil {
		t.Fatal(err)
	}
	rows, next, err := (*surface)(p.Engine).List(api.Query{Key: "later", Limit: 1})
	if err != nil || len(rows) != 1 || !strings.Contains(string(rows[0]), keyed.ID) {
		t.Fatalf("by key: %s %v", rows, err)
	}
	if rows, next, err = (*surface)(p.Engine).List(api.Query{Key: "later", Limit: 1, Cursor: next}); err != nil || len(rows) > 0 || next != "" {
		t.Fatalf("after it: %s %q %v", rows, next, err)
	}
	for _, q := range []api.Query{{State: "asleep", Limit: 1}, {Outcome: "asleep", Limit: 1}} {
		if _, _, err := (*surface)(p.Engine).List(q); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if err := p.CancelOrder(keyed.ID); err != nil {
		t.Fatal(err)
	}
	if err := p.CancelOrder(late.ID); err != nil {
		t.Fatal(err)
	}
	if rows, _, _ := (*surface)(p.Engine).List(api.Query{State: "cancelled", Limit: 10}); len(rows) != 2 {
		t.Fatalf("cancelled: %s", rows)
	}
	rec, ok, err := p.store.GetRecord(a.ID + ".0")
	if err != nil || !ok || !strings.Contains(string(rec.JSON), `"outcome":"not_called"`) {
		t.Fatal(ok, err, string(rec.JSON))
	}
}

func TestAfterCallAndSignedEvents(t *testing.T) {
	var mu sync.Mutex
	got := map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		mu.Lock()
		defer mu.Unlock()
		if kind, ok := body["type"].(string); ok {
			got[kind] = r.Header.Get("Loopstart-Signature")
		} else {
			got["afterCall"] = fmt.Sprint(body["outcome"])
		}
	}))
	defer s.Close()
	p := serve(t, `webhooks: [{url: "`+s.URL+`/events", secret: "s3cret"}]
secrets: {HOOK: "`+s.URL+`/after"}`, map[string]string{"one.js": `
import { webhook, secrets } from "loopstart:core";
export const config = { permissions: { http: ["127.0.0.1"] } };
export default async (call) => { await call.answer(); call.result = 1; };
export async function afterCall(record) { await webhook.deliver(secrets.get("HOOK"), record); }`})
	p.ring(t, "one", "")
	eventually(t, "deliveries", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return got["afterCall"] == "served" && got["call.ended"] != "" && got["order.done"] != "" && got["call.result"] != ""
	})
	mu.Lock()
	defer mu.Unlock()
	if !strings.HasPrefix(got["call.ended"], "t=") || !strings.Contains(got["call.ended"], ",v1=") {
		t.Fatal(got["call.ended"])
	}
}

func TestHook(t *testing.T) {
	p := serve(t, "", map[string]string{"h.js": `
export const config = { hook: { token: "abc" } };
export default async () => {};
export async function onRequest(r) {
  if (r.method === "GET") return { hello: r.query.name };
  return { status: 201, headers: { "X-Got": r.json.a }, body: "made" };
}`})
	ctx := context.Background()
	if _, err := p.Hook(ctx, "h", HookRequest{Method: "GET"}); fault.CodeOf(err) != fault.Unauthorized {
		t.Fatal(err)
	}
	a, err := p.Hook(ctx, "h", HookRequest{Method: "GET", Path: "/x", Query: map[string]any{"token": "abc", "name": "Anna"}, Headers: [][2]string{}})
	if err != nil || a.Status != 200 || string(a.Body) != `{"hello":"Anna"}` {
		t.Fatalf("%+v %s %v", a, a.Body, err)
	}
	a, err = p.Hook(ctx, "h", HookRequest{Method: "POST", Path: "/", Query: map[string]any{"token": "abc"}, Headers: [][2]string{}, Body: []byte(`{"a":"b"}`)})
	if err != nil || a.Status != 201 || string(a.Body) != "made" {
		t.Fatalf("%+v %s %v", a, a.Body, err)
	}
	if _, err := p.Hook(ctx, "none", HookRequest{}); fault.CodeOf(err) != fault.NotFound {
		t.Fatal(err)
	}
}

func TestTrustedSourceThatIsATrunkReachesScriptsByName(t *testing.T) {
	p := serve(t, `trunks: {t: {address: "127.0.0.1:9", options: off}}
routes: [{trunk: t, to: "+7*", reject: 486}]`, map[string]string{"one.js": `export default async (call) => { await call.answer(); call.result = call.data; }`})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	res, err := Call(ctx, CallerOptions{Target: "sip:one@" + p.SIPAddr(), Data: `{"a":1}`, Log: slog.New(slog.DiscardHandler)})
	if err != nil || !res.Answered {
		t.Fatalf("%+v %v", res, err)
	}
	if r := p.last(t, 1); string(r.Result) != `{"a":1}` || r.Trunk != "t" {
		t.Fatalf("%+v %s", r, r.Result)
	}
}
