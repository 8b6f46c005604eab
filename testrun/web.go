package testrun

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// web is HTTP of one stage: mocks that answer, and what was asked of them.
type web struct {
	stage *stage
	mu    sync.Mutex
	mocks []*mock
	sent  []sentRequest
}

func newWeb(s *stage) *web { return &web{stage: s} }

// mock answers requests of a method to some addresses.
type mock struct {
	method string
	url    pattern
	left   int // requests still to answer; < 0: any number
	delay  time.Duration
	status int
	body   []byte
	kind   string // content type
	header http.Header
	fails  string
}

// sentRequest is one request as tests see it.
type sentRequest struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	JSON    json.RawMessage   `json:"json,omitempty"`
	At      time.Time         `json:"at"`

	mock int // its index
}

// on adds a mock and returns its number.
func (w *web) on(method string, url pattern) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.mocks) >= MaxMocks {
		return 0, fault.New(fault.Limit, "http.on: %d mocks already (limit mocks)", MaxMocks)
	}
	w.mocks = append(w.mocks, &mock{method: method, url: url, left: -1, status: 200})
	return len(w.mocks) - 1, nil
}

// mockChange is what a test says about a mock.
type mockChange struct {
	ID     int             `json:"id"`
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
	Bytes  *struct {
		Data string `json:"$bytes"`
	} `json:"bytes"`
	Headers map[string]string `json:"headers"`
	Times   *int              `json:"times"`
	Delay   *span             `json:"delay"`
	Fails   string            `json:"fails"`
}

func (w *web) change(c mockChange) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.ID < 0 || c.ID >= len(w.mocks) {
		return fault.New(fault.NotFound, "http: no such mock")
	}
	m := w.mocks[c.ID]
	if c.Fails != "" {
		m.fails = c.Fails
	}
	if c.Times != nil {
		m.left = *c.Times
	}
	if c.Delay != nil {
		m.delay = time.Duration(*c.Delay)
	}
	if c.Status != 0 {
		m.status, m.fails = c.Status, ""
		m.answer(c)
	}
	return nil
}

// answer takes the body: text as it is, everything else as JSON, null
// too: a look-up that has found nobody.
func (m *mock) answer(c mockChange) {
	m.body, m.kind, m.header = nil, "", http.Header{}
	var text string
	switch {
	case c.Bytes != nil:
		m.body, _ = base64.StdEncoding.DecodeString(c.Bytes.Data)
		m.kind = "application/octet-stream"
	case len(c.Body) == 0:
	case c.Body[0] == '"' && json.Unmarshal(c.Body, &text) == nil:
		m.body, m.kind = []byte(text), "text/plain; charset=utf-8"
	default:
		m.body, m.kind = c.Body, "application/json"
	}
	for name, value := range c.Headers {
		m.header.Set(name, value)
	}
	if m.kind != "" && m.header.Get("Content-Type") == "" {
		m.header.Set("Content-Type", m.kind)
	}
}

// requests are those of one mock, or all when id is nil.
func (w *web) requests(id *int) []sentRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []sentRequest{}
	for _, r := range w.sent {
		if id == nil || r.mock == *id {
			out = append(out, r)
		}
	}
	return out
}

// within is the client of scripts that may reach certain hosts.
func (w *web) within(rules netx.Rules) *client { return &client{w, rules} }

// client implements engine.HTTP.
type client struct {
	web   *web
	rules netx.Rules
}

// Do implements engine.HTTP. Redirects that a mock answers with are followed.
func (c *client) Do(ctx context.Context, r netx.Request) (*netx.Response, error) {
	target, hops := r.URL, 0
	for {
		if err := c.rules.Check(target); err != nil {
			return nil, err
		}
		res, err := c.once(ctx, r, target)
		if err != nil {
			return nil, err
		}
		to := res.Header.Get("Location")
		if res.Status/100 != 3 || to == "" || r.Redirect == "manual" {
			res.Redirected = hops > 0
			return res, nil
		}
		if hops++; r.Redirect == "error" || hops > netx.MaxRedirects {
			return nil, fault.New(fault.Network, "fetch: %s redirects", target)
		}
		if target, err = follow(target, to); err != nil {
			return nil, err
		}
	}
}

func follow(from, to string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	next, err := base.Parse(to)
	if err != nil {
		return "", fault.New(fault.Network, "fetch: %s redirects to %q", from, to)
	}
	return next.String(), nil
}

func (c *client) once(ctx context.Context, r netx.Request, target string) (*netx.Response, error) {
	m := c.web.take(r, target)
	if m == nil {
		if res, err, ok := c.crm(ctx, r, target); ok {
			return res, err
		}
		return nil, c.web.unmocked(r.Method, target)
	}
	limit := c.web.stage.cfg.Limits.FetchTimeout
	if r.Timeout > 0 && (limit <= 0 || r.Timeout < limit) {
		limit = r.Timeout
	}
	if limit > 0 && m.delay > limit {
		c.web.stage.pause(limit)
		return nil, fault.New(fault.Network, "fetch: %s did not answer in time", hostOf(target))
	}
	c.web.stage.pause(m.delay)
	switch {
	case ctx.Err() != nil:
		return nil, fault.New(fault.Network, "fetch: %s: %w", hostOf(target), context.Cause(ctx))
	case m.fails != "":
		return nil, fault.New(fault.Network, "fetch: %s: %s", hostOf(target), m.fails)
	}
	return &netx.Response{Status: m.status, StatusText: http.StatusText(m.status), URL: target, Header: m.header.Clone(), Body: m.body}, nil
}

// take finds the mock for a request, the latest first, and records it.
func (w *web) take(r netx.Request, target string) *mock {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.mocks) - 1; i >= 0; i-- {
		m := w.mocks[i]
		if m.left == 0 || m.method != "*" && m.method != strings.ToUpper(r.Method) || !m.url.address(target) {
			continue
		}
		if m.left > 0 {
			m.left--
		}
		w.record(r, target, i)
		found := *m
		return &found
	}
	w.record(r, target, -1)
	return nil
}

func (w *web) record(r netx.Request, target string, mock int) {
	if len(w.sent) >= MaxRequests {
		return
	}
	s := sentRequest{Method: strings.ToUpper(r.Method), URL: target, Headers: map[string]string{}, Body: string(r.Body), At: w.stage.clk.Now(), mock: mock}
	for name, values := range r.Header {
		s.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	if json.Valid(r.Body) {
		s.JSON = r.Body
	}
	w.sent = append(w.sent, s)
}

// unmocked fails the test.
func (w *web) unmocked(method, target string) error {
	err := fault.New(test.Failed, "%s %s is not mocked", method, target).
		WithHint("add http.on(%q, %q).reply(200) before it", method, bare(target))
	w.stage.breaks(err)
	return fault.New(fault.Network, "fetch: %s: not mocked", hostOf(target))
}

// bare is an address without its query.
func bare(target string) string {
	base, _, _ := strings.Cut(target, "?")
	return base
}

// breaks lets everything that is awaited fail.
func (s *stage) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = err
	}
	s.poke()
}

func hostOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	return u.Host
}

// pause waits on the virtual clock, for a caller that counts as busy.
func (s *stage) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	woken := make(chan struct{})
	t := s.clk.AfterFunc(d, func() {
		s.clk.Busy(1)
		close(woken)
	})
	s.clk.Busy(-1)
	select {
	case <-woken:
	case <-s.closing:
		if t.Stop() {
			s.clk.Busy(1)
		} else {
			<-woken
		}
	}
}
