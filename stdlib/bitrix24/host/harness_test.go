package host

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib/bitrix24/fake"
	"github.com/loopstart/loopstart/store"
	"github.com/loopstart/loopstart/store/outbox"
)

var start = time.Date(2026, 1, 12, 10, 0, 0, 0, time.UTC)

// memory is a vault on a disk that may fail.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	fails  bool
	writes int
}

func (m *memory) Load(key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	return v, ok, nil
}

func (m *memory) Store(key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails {
		return fault.New(fault.Unavailable, "disk full")
	}
	m.writes++
	m.values[key] = append([]byte(nil), value...)
	return nil
}

// files are the recordings.
type files map[string][]byte

func (f files) Read(id string, most int64, formats ...string) (connector.Recording, error) {
	if data, ok := f[id+".mp3"]; ok && slices.Contains(formats, ".mp3") {
		return connector.Recording{Name: id + ".mp3", Type: "audio/mpeg", Data: data}, nil
	}
	data, ok := f[id]
	if !ok {
		return connector.Recording{}, fault.New(fault.NotFound, "no recording %q", id)
	}
	if int64(len(data)) > most {
		return connector.Recording{}, fault.New(fault.Invalid, "recording %s has more than %d bytes", id, most)
	}
	return connector.Recording{Name: id + ".wav", Type: "audio/wav", Data: data}, nil
}

func (f files) Link(id string, _ time.Duration) (string, error) {
	return "https://pbx.test/" + id, nil
}

// world is a connector, its portal and the house around it.
type world struct {
	t     *testing.T
	clk   *clock.Virtual
	fake  *fake.Server
	store *store.Store
	box   *outbox.Outbox
	vault *memory
	files files
	c     *Connector
	ids   int
}

func application() Config {
	return Config{Portal: fake.Portal, OAuth: fake.OAuth, ClientID: fake.ClientID, ClientSecret: fake.ClientSecret, RefreshToken: fake.Refresh, User: "1"}
}

func newWorld(t *testing.T, cfg Config, o fake.Options) *world {
	t.Helper()
	w := &world{t: t, clk: clock.NewVirtual(start), vault: &memory{values: map[string][]byte{}}, files: files{}}
	o.Clock = w.clk
	w.fake = fake.New(o)
	var err error
	if w.store, err = store.Open(store.Options{InMemory: true, Clock: w.clk}); err != nil {
		t.Fatal(err)
	}
	w.restart(cfg)
	w.box, err = outbox.Open(outbox.Options{Space: w.store.Space("outbox"), Clock: w.clk, Deliver: func(ctx context.Context, it outbox.Item) outbox.Result {
		r := w.c.Deliver(ctx, it.Kind, it.Payload)
		return outbox.Result{OK: r.Err == nil, Stop: r.Stop, Retry: r.Err, After: r.After}
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.box.Start()
	t.Cleanup(func() {
		w.box.Close()
		_ = w.store.Close()
	})
	return w
}

// restart makes a new connector over what is on disk.
func (w *world) restart(cfg Config) {
	w.c = New(cfg, Services{
		HTTP: connector.Local{Handler: w.fake}, KV: w.store, Vault: w.vault, Outbox: w, Recordings: w.files, Clock: w.clk,
		Log: slog.New(slog.DiscardHandler), NewID: w.id, Country: "RU",
		Target: func(inner, mobile string) string {
			if inner == "101" {
				return inner
			}
			return mobile
		},
	})
}

func (w *world) id() string {
	w.ids++
	return fmt.Sprint(w.ids)
}

// Put implements connector.Outbox.
func (w *world) Put(j connector.Job) error {
	return w.box.Enqueue(outbox.Item{ID: j.ID, Queue: j.Queue, Kind: j.Kind, Destination: j.Destination, Payload: j.Payload})
}

// do serves a request of a script and waits for it, letting time pass.
func (w *world) do(method, args string) (string, error) {
	w.t.Helper()
	type answer struct {
		value any
		err   error
	}
	done := make(chan answer, 1)
	w.clk.Busy(1)
	go func() {
		defer w.clk.Busy(-1)
		v, err := Module.Serve(context.Background(), w.c, Module.Prefix+method, json.RawMessage(args))
		done <- answer{v, err}
	}()
	for {
		w.clk.Settle()
		select {
		case a := <-done:
			raw, err := json.Marshal(a.value)
			if err != nil {
				w.t.Fatal(err)
			}
			return string(raw), a.err
		default:
		}
		at, ok := w.clk.Next()
		if !ok {
			w.t.Fatalf("%s %s: nothing will happen any more", method, args)
		}
		w.clk.Advance(at.Sub(w.clk.Now()))
	}
}

// must is do without an error.
func (w *world) must(method, args string) string {
	w.t.Helper()
	out, err := w.do(method, args)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, args, err)
	}
	return out
}

// asked are the methods that the portal has carried out, by blanks; those it
// refused have their error behind them.
func (w *world) asked() string {
	var out []string
	for _, a := range w.fake.Requests() {
		name := strings.TrimPrefix(a.Method, "telephony.externalCall.")
		if a.Error != "" {
			name += "!" + a.Error
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

const aRecord = `{"id":"c1","direction":"inbound","from":"+79161112233","to":"+74951234567","started_at":"2026-01-12T10:00:00Z","talk_ms":61400,"outcome":"talked","recording":"c1"}`
