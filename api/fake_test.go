package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// house is everything behind the API, made of maps.
type house struct {
	mu       sync.Mutex
	placed   []json.RawMessage
	keys     []string // Idempotency-Keys
	created  bool     // Place's answer
	query    Query    // of the last List
	rows     []json.RawMessage
	ended    []string // cancelled
	commands []json.RawMessage
	kv       map[string]json.RawMessage
	ttl      time.Duration
	hook     func(context.Context, string, HookRequest) (HookAnswer, error)
	feed     chan FeedItem
	past     []FeedItem
	after    uint64
	stopped  chan struct{}
	outboxed string
	retried  string
	deployed []string // commands, uploads and removals
	flows    []string // what was asked of flows
	checked  string
	ready    error
	waiting  []string
	fail     error // of every part
	log      bytes.Buffer
	sees     []string // scripts that may be seen
	campaign campaignHouse
	audited  []AuditEntry
	since    time.Time
}

func (h *house) ErasePerson(number string) (any, error) {
	return map[string]any{"phone": number}, h.fail
}

func (h *house) Backup(w io.Writer) error {
	if h.fail == nil {
		_, _ = io.WriteString(w, "a backup")
	}
	return h.fail
}

func (h *house) Note(en AuditEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.audited = append(h.audited, en)
}

func (h *house) Audit(since time.Time, limit int, cursor string) ([]AuditEntry, string, error) {
	h.since = since
	return []AuditEntry{{Token: "full", Method: "PUT", Path: cursor, Status: limit}}, "more", h.fail
}

// scriptsOf are the calls there are.
var scriptsOf = map[string]string{"one": "order", "one.1": "order", "two": "sales", "in": ""}

func newHouse() *house {
	return &house{created: true, kv: map[string]json.RawMessage{}, feed: make(chan FeedItem), stopped: make(chan struct{}, 8)}
}

func (h *house) InstallBitrix24(_ context.Context, fields url.Values) error {
	if fields.Get("code") == "wrong" {
		return fault.New(fault.Unavailable, "the code is not valid")
	}
	return h.fail
}

func (h *house) Place(body json.RawMessage, key string) (any, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.placed, h.keys = append(h.placed, body), append(h.keys, key)
	var r struct {
		Script, To, Key, From, Trunk, Timeout, At, Expires string
		Delivered                                          string `json:"delivered_after"`
		Attempts                                           int
		Data                                               json.RawMessage
		Retry                                              map[string]string
		Callback                                           json.RawMessage
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, false, fault.New(fault.Invalid, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if r.Script == "" {
		return nil, false, fault.New(fault.Invalid, "an order needs script and to")
	}
	return map[string]string{"id": "one", "state": "queued"}, h.created, h.fail
}

func (h *house) Show(id string) (any, error) {
	if _, ok := scriptsOf[id]; !ok {
		return nil, fault.New(fault.NotFound, "no call %q", id)
	}
	return map[string]any{"id": id, "state": "done", "attempts": []any{}}, h.fail
}

func (h *house) List(q Query) ([]json.RawMessage, string, error) {
	h.query = q
	return h.rows, "more", h.fail
}

func (h *house) Timeline(id string) (any, error) {
	if _, err := h.Show(id); err != nil {
		return nil, err
	}
	return []map[string]any{{"at_ms": 1, "kind": "sip", "detail": "> INVITE"}}, h.fail
}

func (h *house) Cancel(id string) error {
	h.ended = append(h.ended, id)
	_, err := h.Show(id)
	return err
}

func (h *house) OpenOrder(key string) (string, error) {
	if key != "order-77" {
		return "", fault.New(fault.NotFound, "no open order with key %q", key)
	}
	return "one", nil
}

func (h *house) ScriptOf(id string) (string, error) {
	s, ok := scriptsOf[id]
	if !ok {
		return "", fault.New(fault.NotFound, "no call %q", id)
	}
	return s, nil
}

func (h *house) Command(id string, body json.RawMessage) (any, error) {
	if _, err := h.Show(id); err != nil {
		return nil, err
	}
	h.commands = append(h.commands, body)
	return nil, h.fail
}

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

const audio = "RIFF0123456789"

func (h *house) Recording(id string) (Recording, error) {
	if _, ok := scriptsOf[id]; !ok {
		return Recording{}, fault.New(fault.NotFound, "no recording %q", id)
	}
	return Recording{file{bytes.NewReader([]byte(audio))}, id + ".ogg", "audio/ogg", time.Unix(1_800_000_000, 0)}, h.fail
}

func (h *house) CheckLink(id, until, sig string) bool { return until == "9" && sig == "good-"+id }

func (h *house) Scripts(may func(string) bool) any {
	h.sees = nil
	for _, s := range []string{"order", "sales"} {
		if may(s) {
			h.sees = append(h.sees, s)
		}
	}
	return h.sees
}

func (h *house) Versions(script string) (any, error) { return []string{script}, h.fail }

func (h *house) Rollout(script, command string, o Rollout) (any, error) {
	h.deployed = append(h.deployed, fmt.Sprint(script, " ", command, " ", o))
	return map[string]any{"name": script}, h.fail
}

func (h *house) Upload(_ context.Context, script string, files []File) (any, error) {
	line := script + " upload"
	for _, f := range files {
		line += fmt.Sprintf(" %s:%.20s", f.Path, f.Data)
	}
	h.deployed = append(h.deployed, line)
	return map[string]any{"name": script}, h.fail
}

func (h *house) Remove(_ context.Context, script string) error {
	h.deployed = append(h.deployed, script+" remove")
	return h.fail
}

func (h *house) Get(key string) (json.RawMessage, bool, error) {
	v, ok := h.kv[key]
	return v, ok, h.fail
}

func (h *house) Set(key string, value json.RawMessage, ttl time.Duration) error {
	h.kv[key], h.ttl = value, ttl
	return h.fail
}

func (h *house) Delete(key string) (bool, error) {
	_, ok := h.kv[key]
	delete(h.kv, key)
	return ok, h.fail
}

func (h *house) ListKV(prefix string, limit int, after string) (any, string, error) {
	return []any{prefix, limit, after}, "", h.fail
}

func (h *house) Hook(ctx context.Context, script string, r HookRequest) (HookAnswer, error) {
	if h.hook == nil {
		return HookAnswer{Status: 200}, nil
	}
	return h.hook(ctx, script, r)
}

func (h *house) Types() []string { return []string{"call.ringing", "call.ended", "order.done"} }

func (h *house) Listen(after uint64) ([]FeedItem, <-chan FeedItem, func(), error) {
	h.mu.Lock()
	h.after = after
	h.mu.Unlock()
	return h.past, h.feed, func() { h.stopped <- struct{}{} }, h.fail
}

func (h *house) Outbox(state string, _ int, _ string) (any, string, error) {
	h.outboxed = state
	return []any{}, "", h.fail
}

func (h *house) RetryDelivery(id string) error {
	h.retried = id
	return h.fail
}

func (h *house) Bans() any { return []any{} }

func (h *house) LiftBan(source string) (bool, error) {
	return source == "203.0.113.9" || source == "{source}", h.fail
}

func (h *house) Ladder(id string) (any, error) { return map[string]any{"call": id}, h.fail }

func (h *house) Capture(id string, w io.Writer) error {
	if h.fail == nil {
		_, _ = io.WriteString(w, "pcap of "+id)
	}
	return h.fail
}

func (h *house) Trunks() any { return []any{} }

func (h *house) Conferences() any { return []any{room("sales")} }

func (h *house) Conference(name string) (any, error) {
	if name == "nobody" {
		return nil, fault.New(fault.NotFound, "nobody is in a conference %q", name)
	}
	return room(name), nil
}

func (h *house) ConferenceCommand(name string, body json.RawMessage) (any, error) {
	if _, err := h.Conference(name); err != nil {
		return nil, err
	}
	return map[string]any{"state": "done"}, nil
}

func room(name string) any {
	return map[string]any{"name": name, "id": "room-1", "began_at": "2026-11-21T09:58:00Z", "members": []any{}}
}

func (h *house) Groups() any                    { return []any{} }
func (h *house) Group(name string) (any, error) { return map[string]any{"name": name}, h.fail }
func (h *house) Users() any                     { return []any{} }
func (h *house) User(name string) (any, error)  { return map[string]any{"name": name}, h.fail }
func (h *house) SetUser(name, state string) (any, error) {
	return map[string]any{"name": name, "state": state}, h.fail
}

func (h *house) CheckTrunk(name string) (any, error) {
	h.checked = name
	return map[string]any{"name": name, "ok": true}, h.fail
}

func (h *house) Ready() error { return h.ready }

func (h *house) Waiting() []string { return h.waiting }

func (h *house) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "loopstart_calls 2\n")
}

// The tokens of the tests.
var tokens = []Token{
	{Name: "full", Token: "full-secret"},
	{Name: "reader", Token: "reader-secret", Allow: []string{rightRead}},
	{Name: "caller", Token: "caller-secret", Allow: []string{rightCalls}},
	{Name: "keeper", Token: "keeper-secret", Allow: []string{rightKV}},
	{Name: "campaigner", Token: "campaigner-secret", Allow: []string{rightCampaigns}},
	{Name: "stopper", Token: "stopper-secret", Allow: []string{rightStopList}},
	{Name: "deployer", Token: "deployer-secret", Allow: []string{rightDeploy}},
	{Name: "order", Token: "order-secret", Scripts: []string{"order"}},
	{Name: "both", Token: "both-secret", Scripts: []string{"order", "sales"}},
	{Name: "empty", Token: ""},
}

const (
	maxBody   = 1000
	maxUpload = 200_000
	maxImport = 300_000
)

func (h *house) options() Options {
	return Options{
		StopList: h, Campaigns: h, MaxImport: maxImport, Calls: h, Recordings: h, Conferences: h, Scripts: h, Deployments: h, KV: h, Flows: h, Hooks: h, Installs: h, Feed: h, Outbox: h, Trunks: h, Groups: h, Sources: h, People: h, Audit: h, Backups: h, Health: h, Metrics: h,
		Tokens: func() []Token { return tokens }, MaxBody: maxBody, MaxUpload: maxUpload, Version: "1.2.3",
		Log: slog.New(slog.NewTextHandler(&h.log, nil)), Clock: clock.System(),
	}
}

// ask sends one request with the full token. head are pairs of a header.
func (h *house) ask(t *testing.T, method, target, body string, head ...string) *httptest.ResponseRecorder {
	t.Helper()
	return askOf(New(h.options()), method, target, body, append([]string{"Authorization", "Bearer full-secret"}, head...)...)
}

func askOf(handler http.Handler, method, target, body string, head ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(head); i += 2 {
		if req.Header.Set(head[i], head[i+1]); head[i+1] == "" {
			req.Header.Del(head[i])
		}
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, req)
	return w
}

// want checks status and error code; code "" is no error.
func want(t *testing.T, w *httptest.ResponseRecorder, status int, code fault.Code) problem {
	t.Helper()
	var p problem
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if code == "" {
		return p
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Error.Code != code || p.Error.Message == "" {
		t.Fatalf("want the error %s, got %s", code, w.Body)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/json; charset=utf-8" {
		t.Fatalf("an error of type %q", ct)
	}
	return p
}

func (h *house) StartFlow(script string, body json.RawMessage) (any, bool, error) {
	h.flows = append(h.flows, "start "+script+" "+string(body))
	return map[string]any{"id": "f1"}, h.created, h.fail
}

func (h *house) SignalFlow(script, key string, body json.RawMessage) error {
	h.flows = append(h.flows, "signal "+script+" "+key+" "+string(body))
	return h.fail
}

func (h *house) ListFlows(q FlowQuery) ([]json.RawMessage, string, error) {
	h.flows = append(h.flows, fmt.Sprintf("list %+v", q))
	return nil, "", h.fail
}

func (h *house) ShowFlow(script, key string) (any, error) {
	h.flows = append(h.flows, "show "+script+" "+key)
	return map[string]any{}, h.fail
}

func (h *house) CancelFlow(script, key string) error {
	h.flows = append(h.flows, "cancel "+script+" "+key)
	return h.fail
}

func (h *house) RetryFlow(script, key string, latest bool) error {
	h.flows = append(h.flows, fmt.Sprint("retry ", script, " ", key, " ", latest))
	return h.fail
}
