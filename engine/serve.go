package engine

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/store"
	"github.com/loopstart/loopstart/store/outbox"
)

// Handler is the HTTP surface of this engine; extra tokens are taken beside
// those of the configuration.
func (e *Engine) Handler(extra ...api.Token) http.Handler {
	a := (*surface)(e)
	return api.New(api.Options{
		Calls: a, Recordings: a, Conferences: a, Scripts: a, Deployments: a, KV: a, Flows: a, Hooks: a, Installs: e, Feed: a, Outbox: a, Trunks: a, Groups: a, Sources: a, People: a, Audit: a, Backups: a, StopList: a, Campaigns: a, Health: e, Metrics: e.metrics(),
		Tokens: func() []api.Token {
			list := append([]api.Token(nil), extra...)
			for _, t := range e.Config().HTTP.Tokens {
				list = append(list, api.Token{Name: t.Name, Token: t.Token.Reveal(), Allow: t.Allow, Scripts: t.Scripts})
			}
			return list
		},
		MaxBody: int64(e.Config().Limits.HTTPBody), MaxUpload: int64(e.Config().Limits.ScriptUpload), MaxImport: int64(e.Config().Limits.Import), Version: e.opts.Version, Log: e.log, Clock: e.clk,
	})
}

// Serve listens for HTTP until ctx ends: the private listener, and the public
// one if the configuration has it. It returns once both are bound.
func (e *Engine) Serve(ctx context.Context, listen string, extra ...api.Token) (addr string, err error) {
	h := e.Handler(extra...)
	addr, err = e.listen(ctx, listen, h, nil)
	if err != nil {
		return "", err
	}
	e.httpAddr.Store(&addr)
	if p := e.Config().HTTP.Public; p != nil {
		var files *[2]string
		if p.TLS != nil {
			files = &[2]string{e.path(p.TLS.Cert), e.path(p.TLS.Key)}
		}
		if _, err = e.listen(ctx, p.Listen.String(), api.Public(h), files); err != nil {
			return "", err
		}
	}
	return addr, nil
}

// Times of the HTTP server: a slow client holds one connection, never the
// process.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	maxHeader  = 64 << 10
)

func (e *Engine) listen(ctx context.Context, addr string, h http.Handler, files *[2]string) (string, error) {
	ln, err := e.bindHTTP(addr)
	if err != nil {
		f := fault.New(fault.Unavailable, "http: cannot listen on %s: %w", addr, err).WithExit(fault.ExitBind)
		if errors.Is(err, syscall.EADDRINUSE) {
			return "", f.WithHint("another program has the port; change http.listen")
		}
		return "", f
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	ln = e.conns.Wrap(ln)
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		var err error
		if files != nil {
			err = srv.ServeTLS(ln, files[0], files[1])
		} else {
			err = srv.Serve(ln)
		}
		if err != nil && !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("engine: http", "err", err)
		}
	}()
	stop := func() { _ = srv.Close() }
	context.AfterFunc(ctx, stop)
	context.AfterFunc(e.ctx, stop)
	return ln.Addr().String(), nil
}

// bindHTTP binds also to an address that comes later.
func (e *Engine) bindHTTP(addr string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return net.Listen("tcp", addr)
	}
	ln, late, err := netx.ListenTCP(at)
	if err != nil {
		return nil, err
	}
	if late {
		e.log.Warn("the HTTP listener waits: no interface has its address yet", "listener", addr, "hint", "it is served as soon as an interface has it; if that is not to be expected, correct http.listen")
	}
	return ln, nil
}

// surface implements the interfaces of package api.
type surface Engine

func (a *surface) e() *Engine { return (*Engine)(a) }

// Place implements api.Calls.
func (a *surface) Place(body json.RawMessage, idempotency string) (any, bool, error) {
	r, err := readOrder(body)
	if err != nil {
		return nil, false, err
	}
	return answerOf(a.e().PlaceOrder(r, idempotency))
}

func answerOf(o OrderAnswer, created bool, err error) (any, bool, error) { return o, created, err }

// Show implements api.Calls: the last record with the order's state around it.
func (a *surface) Show(id string) (any, error) {
	e := a.e()
	order := orderOf(id)
	// The order first, the record after it: an order that is done has one.
	ord, isOrder, err := e.orderNow(order)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	if err := a.lastRecord(id, out); err != nil {
		return nil, err
	}
	if !isOrder {
		if len(out) == 0 {
			return nil, fault.New(fault.NotFound, "no call %q", id)
		}
		inboundState(out, order)
		return out, nil
	}
	out["id"], out["order"], out["key"], out["state"], out["script"], out["to"] = ord.ID, ord.ID, ord.Key, ord.State, ord.Script, ord.To
	if ord.Campaign != "" {
		out["campaign"] = ord.Campaign
	}
	if ord.State == stateDone && out["outcome"] == nil { // closed without a dial
		out["outcome"] = call.NotCalled
	}
	attempts := ord.Made
	if attempts == nil {
		attempts = []OrderAttempt{}
	}
	out["attempts"] = attempts
	if !ord.NextAt.IsZero() && isOpen(ord.State) {
		out["next_at"] = ord.NextAt
	}
	if ord.Reason != "" {
		out["reason"] = ord.Reason
	}
	return out, nil
}

// orderNow is an order as it stands.
func (e *Engine) orderNow(id string) (ord Order, ok bool, err error) {
	if open := e.orders.find(id); open != nil {
		open.mu.Lock()
		defer open.mu.Unlock()
		return open.Order, true, nil
	}
	if camp, k, ok, err := e.campaigns.contact(id); err != nil || ok {
		if err != nil {
			return ord, false, err
		}
		return orderOfContact(camp, k), true, nil
	}
	row, ok, err := e.store.GetOrder(id)
	if err != nil || !ok {
		return ord, false, err
	}
	if err := json.Unmarshal(row.JSON, &ord); err != nil {
		return ord, false, fault.New(fault.Internal, "order %s: %w", id, err)
	}
	return ord, true, nil
}

// inboundState presents an inbound call as the order of one that it is.
func inboundState(out map[string]any, order string) {
	state := stateDone
	if final, _ := out["final"].(bool); !final {
		state = stateTalking
		if out["answered_at"] == nil {
			state = stateRinging
		}
	}
	out["state"] = state
	only := map[string]any{"id": out["id"], "at": out["started_at"]}
	if state == stateDone {
		only["outcome"], only["code"] = out["outcome"], out["code"]
	}
	out["call"], out["id"] = out["id"], order
	out["attempts"] = []any{only}
}

// lastRecord puts the newest record of a call or order into out.
func (a *surface) lastRecord(id string, out map[string]any) error {
	e := a.e()
	if l := e.calls.find(id); l != nil {
		if r, ok := l.Snapshot(); ok {
			body, _ := json.Marshal(r)
			return json.Unmarshal(body, &out)
		}
	}
	if strings.Contains(id, ".") {
		r, ok, err := e.store.GetRecord(id)
		if err != nil || !ok {
			return err
		}
		return json.Unmarshal(r.JSON, &out)
	}
	rows, _, err := e.store.ListRecords(store.Query{Order: id, Limit: 1})
	if err != nil || len(rows) == 0 {
		return err
	}
	return json.Unmarshal(rows[0].JSON, &out)
}

// Timeline implements api.Calls.
func (a *surface) Timeline(id string) (any, error) {
	e := a.e()
	if l := e.calls.find(id); l != nil {
		return l.Timeline().Entries(), nil
	}
	_, list, err := e.storedTimeline(id)
	if err != nil {
		return nil, err
	}
	entries, _ := cutLadder(list)
	return entries, nil
}

// storedTimeline is the timeline of a call that is over, or of an order's last
// one, with the call's id.
func (e *Engine) storedTimeline(id string) (string, []call.Entry, error) {
	if !strings.Contains(id, ".") {
		rows, _, err := e.store.ListRecords(store.Query{Order: id, Limit: 1})
		if err != nil {
			return id, nil, err
		}
		if len(rows) > 0 {
			id = rows[0].ID
		}
	}
	raw, ok, err := e.store.GetTimeline(id)
	switch {
	case err != nil:
		return id, nil, err
	case !ok:
		return id, nil, fault.New(fault.NotFound, "no timeline of call %q", id)
	}
	var list []call.Entry
	if err := json.Unmarshal(raw, &list); err != nil {
		return id, nil, fault.New(fault.Internal, "timeline of call %s: %w", id, err)
	}
	return id, list, nil
}

// Cancel implements api.Calls.
func (a *surface) Cancel(id string) error { return a.e().CancelOrder(id) }

// OpenOrder implements api.Calls.
func (a *surface) OpenOrder(key string) (string, error) {
	o, ok, err := a.store.FindOpenKey(key)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "no open order with key %q", key)
	}
	return o.ID, err
}

// ScriptOf implements api.Calls.
func (a *surface) ScriptOf(id string) (string, error) {
	id = callOf(id)
	if l := a.calls.find(id); l != nil {
		return l.Spec().Script, nil
	}
	if camp, _, ok, err := a.campaigns.contact(id); err != nil || ok {
		return camp.Spec.Script, err
	}
	o, ok, err := a.store.GetOrder(orderOf(id))
	if err != nil || ok {
		return o.Script, err
	}
	rows, _, err := a.store.ListRecords(store.Query{Order: orderOf(id), Limit: 1})
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "", fault.New(fault.NotFound, "no call %q", id)
	}
	return rows[0].Script, nil
}

// Recording implements api.Recordings; id is a call's, an order's, or a
// recording's.
func (a *surface) Recording(id string) (api.Recording, error) {
	f, err := a.record.Open(id)
	if err != nil && !strings.Contains(id, ".") {
		rows, _, lerr := a.store.ListRecords(store.Query{Order: id, Limit: 1})
		if lerr == nil && len(rows) > 0 {
			f, err = a.record.Open(rows[0].ID)
		}
	}
	if err != nil {
		return api.Recording{}, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return api.Recording{}, err
	}
	name := filepath.Base(f.Name())
	return api.Recording{File: f, Name: name, Type: audioTypes[filepath.Ext(name)], At: info.ModTime()}, nil
}

// CheckLink implements api.Recordings.
func (a *surface) CheckLink(id, until, sig string) bool { return a.record.CheckLink(id, until, sig) }

// Get implements api.KV.
func (a *surface) Get(key string) (json.RawMessage, bool, error) { return a.store.Get(key) }

// Set implements api.KV.
func (a *surface) Set(key string, value json.RawMessage, ttl time.Duration) error {
	return a.store.Set(key, value, ttl)
}

// Delete implements api.KV.
func (a *surface) Delete(key string) (bool, error) { return a.store.Delete(key) }

// ListKV implements api.KV.
func (a *surface) ListKV(prefix string, limit int, after string) (any, string, error) {
	items, next, err := a.store.List(prefix, limit, after)
	if items == nil {
		items = []store.Item{}
	}
	return items, next, err
}

// Hook implements api.Hooks.
func (a *surface) Hook(ctx context.Context, script string, r api.HookRequest) (api.HookAnswer, error) {
	out, err := a.e().Hook(ctx, script, HookRequest(r))
	return api.HookAnswer(out), err
}

// Types implements api.Feed: what webhooks may be told, and what only moves
// numbers on a screen.
func (a *surface) Types() []string {
	return append(config.WebhookEvents(), "campaign.state", "campaign.counts")
}

// Listen implements api.Feed.
func (a *surface) Listen(after uint64) ([]api.FeedItem, <-chan api.FeedItem, func(), error) {
	past, next, stop, ok := a.feed.Listen(after)
	if !ok {
		return nil, nil, nil, fault.New(fault.Limit, "events: %d listeners at once", MaxListeners)
	}
	out := make(chan api.FeedItem)
	done := make(chan struct{})
	go func() {
		defer close(out)
		for it := range next {
			select {
			case out <- feedItem(it):
			case <-done:
				return
			}
		}
	}()
	var list []api.FeedItem
	for _, it := range past {
		list = append(list, feedItem(it))
	}
	return list, out, func() { close(done); stop() }, nil
}

func feedItem(it FeedItem) api.FeedItem {
	body, _ := json.Marshal(it.Event)
	return api.FeedItem{ID: it.ID, Type: it.Event.Type, Order: it.Event.Order, Call: it.Event.Call, Campaign: it.Event.Campaign, Script: it.Event.Script, Body: body}
}

// Outbox implements api.Outbox. What a delivery holds stays here: it may have
// the secrets of its destination.
func (a *surface) Outbox(state string, limit int, cursor string) (any, string, error) {
	if state == "" {
		state = string(outbox.Waiting)
	}
	items, next, err := a.outbox.List(outbox.State(state), limit, cursor)
	if items == nil {
		items = []outbox.Item{}
	}
	for i := range items {
		items[i].Payload = nil
	}
	return items, next, err
}

// RetryDelivery implements api.Outbox.
func (a *surface) RetryDelivery(id string) error { return a.outbox.Retry(id) }
