package api

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
)

// keepAlive is the pause after which a silent stream gets a comment, so that
// proxies keep it and a client that is gone is noticed.
const keepAlive = 15 * time.Second

// events is a stream of server-sent events (WHATWG HTML §9.2).
func (s *server) events(w http.ResponseWriter, r *http.Request) error {
	last, err := lastEvent(r)
	if err != nil {
		return err
	}
	types := list(r.URL.Query().Get("types"))
	if err := s.knownTypes(types); err != nil {
		return err
	}
	want := s.filter(r, types)
	from := last
	if r.Header.Get("Last-Event-ID") != "" {
		from = max(last, 1) // 0 asks for all that is kept
	}
	past, next, stop, err := s.Feed.Listen(from)
	if err != nil {
		return err
	}
	defer stop()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies that gather answers may not gather this one
	w.WriteHeader(http.StatusOK)
	out := &stream{s: s, w: w, c: http.NewResponseController(w), last: last, want: want}
	for _, it := range past {
		out.event(it)
	}
	if out.flush() != nil {
		return nil //nolint:nilerr // the client left; there is nobody to tell
	}
	out.follow(r, next)
	return nil
}

// lastEvent is where the client stopped reading.
func lastEvent(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, "Last-Event-ID: %q is no event", text)
	}
	return n, nil
}

// knownTypes refuses what no event will ever be.
func (s *server) knownTypes(types []string) error {
	known := s.Feed.Types()
	for _, t := range types {
		if slices.Contains(known, t) {
			continue
		}
		hint := "types are " + strings.Join(known, ", ")
		if near := suggest.Nearest(t, known); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return statusError{http.StatusBadRequest, fault.New(fault.Invalid, "types: there are no events %q", t).WithHint("%s", hint)}
	}
	return nil
}

// filter makes the choice of a listener: its types, its call, and what its
// token may see.
func (s *server) filter(r *http.Request, types []string) func(FeedItem) bool {
	call, campaign, t := r.URL.Query().Get("call"), r.URL.Query().Get("campaign"), token(r)
	return func(it FeedItem) bool {
		switch {
		case len(types) > 0 && !slices.Contains(types, it.Type):
			return false
		case call != "" && it.Call != call && it.Order != call && !strings.HasPrefix(it.Call, call+"."):
			return false
		case campaign != "" && it.Campaign != campaign:
			return false
		case len(t.Scripts) == 0:
			return true
		}
		if it.Script != "" {
			return t.sees(it.Script)
		}
		script, err := s.Calls.ScriptOf(it.Order)
		return err == nil && t.sees(script)
	}
}

// stream writes events to one client.
type stream struct {
	s *server
	w http.ResponseWriter
	c *http.ResponseController
	b bytes.Buffer

	last uint64 // where the client stopped reading; 0 once that is settled
	want func(FeedItem) bool
}

// event writes an event that the client wants. One that came back late is told
// first that events between are lost.
func (o *stream) event(it FeedItem) {
	if o.last > 0 && it.ID > o.last+1 {
		fmt.Fprintf(&o.b, "event: feed.gap\ndata: {\"after\":%d}\n\n", o.last)
	}
	o.last = 0
	if !o.want(it) {
		return
	}
	fmt.Fprintf(&o.b, "id: %d\nevent: %s\ndata: %s\n\n", it.ID, it.Type, it.Body)
}

func (o *stream) flush() error {
	_, err := o.b.WriteTo(o.w)
	if err == nil {
		err = o.c.Flush()
	}
	return err
}

// follow writes what comes until either side ends it.
func (o *stream) follow(r *http.Request, next <-chan FeedItem) {
	silent := make(chan struct{}, 1) // one pending tick is as good as many
	timer := o.s.Clock.AfterFunc(keepAlive, func() {
		select {
		case silent <- struct{}{}:
		default:
		}
	})
	defer timer.Stop()
	for {
		select {
		case it, ok := <-next:
			if !ok {
				return
			}
			if o.event(it); o.b.Len() == 0 {
				continue
			}
		case <-silent:
			o.b.WriteString(": still here\n\n")
		case <-r.Context().Done():
			return
		}
		timer.Reset(keepAlive)
		if o.flush() != nil {
			return
		}
	}
}
