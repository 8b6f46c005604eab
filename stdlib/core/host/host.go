// Package host is the main process's half of loopstart:core, fetch and the
// console: kv, webhook.deliver, lock, HTTP requests and log lines. Shapes are
// in stdlib/WIRE.md.
//
// # Concurrency
//
// Serve never blocks its caller; what waits runs on a goroutine of its own, at
// most [MaxWaiting] for one VM, and is cancelled when the VM ends.
package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/runtime/message"
)

// MaxWaiting is how many requests of one VM may wait at once.
const MaxWaiting = 256

// KV is the scripts' key-value space.
type KV interface {
	Get(key string) (value json.RawMessage, ok bool, err error)
	Set(key string, value json.RawMessage, ttl time.Duration) error
	Delete(key string) (bool, error)
	Increment(key string, by int64, ttl time.Duration) (int64, error)
	CompareAndSet(key string, old, next json.RawMessage, ttl time.Duration) (bool, error)
	List(prefix string, limit int, after string) (items []Item, next string, err error)
}

// Item is one key of a list.
type Item struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// Locks are leases that other calls respect. Lock is called by who counts as
// busy; in virtual time it takes itself off the clock while it waits.
type Locks interface {
	Lock(ctx context.Context, key string, ttl time.Duration, owner string) error
	Release(key, owner string) (bool, error)
}

// Outbox takes a delivery and returns once it is on disk.
type Outbox interface {
	Deliver(Delivery) (id string, err error)
}

// HTTP makes requests within what the script may reach.
type HTTP interface {
	Do(ctx context.Context, r netx.Request) (*netx.Response, error)
}

// Journal takes log lines and the timeline's notes.
type Journal interface {
	Log(level, text, at string)
	Note(kind, detail, at string)
}

// Delivery is one webhook.deliver.
type Delivery struct {
	URL       string          `json:"url"`
	Method    string          `json:"method"`
	Headers   [][2]string     `json:"headers"`
	Kind      string          `json:"kind"` // json, text, form, bytes, none
	Body      json.RawMessage `json:"body"`
	Files     []File          `json:"files"`
	Key       string          `json:"key"`
	Sign      json.RawMessage `json:"sign"`
	ExpiresMs int64           `json:"expiresMs"`
}

// File is an attachment: data, or a recording.
type File struct {
	Field     string `json:"field"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Recording string `json:"recording"`
	Data      []byte `json:"data"`
}

// Services are what the module needs of the house.
type Services struct {
	KV     KV
	Locks  Locks
	Outbox Outbox
	HTTP   HTTP
	Clock  clock.Clock
	NewID  func() string
	// More are the methods of other modules that wait as these do.
	More map[string]func(ctx context.Context, args json.RawMessage) (any, error)
	// Page sends a text outside of calls; nil where there is nobody to send to.
	Page func(ctx context.Context, args json.RawMessage) (any, error)
	// Start begins a request instead of a goroutine at once: in virtual time,
	// where requests of one moment begin one after the other. nil: at once.
	Start func(func())
}

// Session serves one VM.
type Session struct {
	serv    Services
	journal Journal
	settle  func(seq uint32, value any, err error)
	ctx     context.Context
	stop    context.CancelFunc

	mu      sync.Mutex
	waiting map[uint32]waiting // by seq
}

// waiting is a request in progress.
type waiting struct {
	name   uint32 // given by the script; 0 for none
	cancel context.CancelFunc
}

// New makes the session of one VM; settle answers its requests.
func New(s Services, j Journal, settle func(seq uint32, value any, err error)) *Session {
	ctx, stop := context.WithCancel(context.Background())
	return &Session{serv: s, journal: j, settle: settle, ctx: ctx, stop: stop, waiting: map[uint32]waiting{}}
}

// Close cancels what still waits. It is called when the VM has ended.
func (s *Session) Close() { s.stop() }

// handler answers one request; it runs on a goroutine of its own.
type handler func(s *Session, ctx context.Context, r message.Request) (any, error)

var handlers = map[string]handler{
	"http.fetch":       (*Session).fetch,
	"kv.get":           (*Session).kvGet,
	"kv.set":           (*Session).kvSet,
	"kv.delete":        (*Session).kvDelete,
	"kv.increment":     (*Session).kvIncrement,
	"kv.compareAndSet": (*Session).kvCompareAndSet,
	"kv.list":          (*Session).kvList,
	"webhook.deliver":  (*Session).deliver,
	"lock.acquire":     (*Session).lock,
	"lock.release":     (*Session).unlock,
}

// Serve takes a request if it is one of this package.
func (s *Session) Serve(seq uint32, r message.Request) bool {
	switch r.Method {
	case "console.log":
		s.console(r)
		return true
	case "http.cancel":
		s.cancel(r)
		return true
	}
	h, ok := handlers[r.Method]
	more := s.serv.More[r.Method]
	if r.Method == "call.page" {
		more = s.serv.Page
	}
	if more != nil {
		h, ok = func(s *Session, ctx context.Context, r message.Request) (any, error) { return s.more(ctx, more, r) }, true
	}
	if !ok {
		return false
	}
	s.begin(seq, r, h)
	return true
}

// more asks another module and notes it in the timeline.
func (s *Session) more(ctx context.Context, ask func(context.Context, json.RawMessage) (any, error), r message.Request) (any, error) {
	began := s.serv.Clock.Now()
	value, err := ask(ctx, r.Args)
	detail := r.Method + ", " + itoa(int(clock.Since(s.serv.Clock, began).Milliseconds())) + " ms"
	if err != nil {
		detail = r.Method + ": " + err.Error()
	}
	s.journal.Note("module", detail, r.At)
	return value, err
}

func (s *Session) begin(seq uint32, r message.Request, h handler) {
	ctx, cancel := context.WithCancel(s.ctx)
	var named struct {
		Cancel uint32 `json:"cancel"` // what http.cancel names it by
	}
	_ = json.Unmarshal(r.Args, &named) // without a name it cannot be cancelled
	s.mu.Lock()
	full := len(s.waiting) >= MaxWaiting
	if !full {
		s.waiting[seq] = waiting{named.Cancel, cancel}
	}
	s.mu.Unlock()
	if full {
		cancel()
		s.settle(seq, nil, fault.New(fault.Limit, "requests: %d wait already", MaxWaiting).WithHint("await some of them first"))
		return
	}
	run := func() {
		value, err := h(s, ctx, r)
		s.mu.Lock()
		delete(s.waiting, seq)
		s.mu.Unlock()
		cancel()
		s.settle(seq, value, err)
	}
	if s.serv.Start != nil {
		s.serv.Start(run)
		return
	}
	s.serv.Clock.Busy(1)
	go func() {
		defer s.serv.Clock.Busy(-1)
		run()
	}()
}

func (s *Session) cancel(r message.Request) {
	var o struct {
		Cancel uint32 `json:"cancel"`
	}
	if json.Unmarshal(r.Args, &o) != nil || o.Cancel == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.waiting {
		if w.name == o.Cancel {
			w.cancel()
		}
	}
}

func (s *Session) console(r message.Request) {
	var o struct {
		Level string `json:"level"`
		Text  string `json:"text"`
	}
	if json.Unmarshal(r.Args, &o) == nil {
		s.journal.Log(o.Level, o.Text, r.At)
	}
}

// read decodes arguments.
func read[T any](r message.Request) (o T, err error) {
	if err := json.Unmarshal(r.Args, &o); err != nil {
		return o, fault.New(fault.Invalid, "%s: %w", r.Method, err)
	}
	return o, nil
}

func (s *Session) fetch(ctx context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		URL       string      `json:"url"`
		Method    string      `json:"method"`
		Headers   [][2]string `json:"headers"`
		Body      []byte      `json:"body"`
		TimeoutMs int64       `json:"timeoutMs"`
		Redirect  string      `json:"redirect"`
	}](r)
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	for _, p := range o.Headers {
		h.Add(p[0], p[1])
	}
	began := s.serv.Clock.Now()
	res, err := s.serv.HTTP.Do(ctx, netx.Request{Method: o.Method, URL: o.URL, Header: h, Body: o.Body, Timeout: ms(o.TimeoutMs), Redirect: o.Redirect})
	took := clock.Since(s.serv.Clock, began).Milliseconds()
	if err != nil {
		s.journal.Note("http", o.Method+" "+strip(o.URL)+": "+err.Error(), r.At)
		return nil, err
	}
	s.journal.Note("http", o.Method+" "+strip(o.URL)+" → "+itoa(res.Status)+", "+itoa(int(took))+" ms", r.At)
	return map[string]any{
		"status": res.Status, "statusText": res.StatusText, "url": res.URL, "redirected": res.Redirected,
		"headers": pairs(res.Header), "body": base64.StdEncoding.EncodeToString(res.Body),
	}, nil
}

// strip takes the query off a URL: it may hold keys and personal data.
func strip(url string) string {
	base, _, _ := strings.Cut(url, "?")
	return base
}

func pairs(h http.Header) [][2]string {
	out := [][2]string{}
	for name, values := range h {
		for _, v := range values {
			out = append(out, [2]string{strings.ToLower(name), v})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
