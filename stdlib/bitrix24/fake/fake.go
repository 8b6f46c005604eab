// Package fake is a Bitrix24 portal with its authorisation server in memory:
// the paths, the two kinds of credentials, the limits, the methods that the
// connector uses and their error bodies are those of the REST documentation
// (apidocs.bitrix24.ru, 2026). What it says of itself beyond that is in
// [Server.Add] and [Server.All], for tests and `loopstart dev`.
//
// Not confirmed by documentation, and so a choice of this package: whether an
// old refresh token still works after a refresh ([Options.KeepOldRefresh]), what
// a second finish of one call answers ("Call is not found"), and the answer to
// an upload.
//
// # Concurrency
//
// All methods may be called from any goroutine. A handler that waits takes
// itself off the clock.
package fake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/connector"
)

// Credentials of a portal that was not told others.
const (
	Portal       = "https://portal.bitrix24.test"
	OAuth        = "https://oauth.bitrix24.test"
	ClientID     = "local.test"
	ClientSecret = "test-client-secret"
	Refresh      = "refresh-0"
	EventToken   = "test-application-token"
	Webhook      = Portal + "/rest/1/test-webhook-secret"
)

// Options are the portal's settings; zero values are those of the cloud.
type Options struct {
	Clock          clock.Clock
	PerSecond      float64       // 2
	Burst          float64       // 50
	WorkingTime    time.Duration // of one method in ten minutes, 480 s
	EachWorks      time.Duration // what one call of a method adds to that
	KeepOldRefresh bool          // an old refresh token still works after a refresh
	AnyRefresh     bool          // tokens of earlier portals work: for dev, whose store outlives its fake
	SearchLag      time.Duration // until a new item is found by its number
	Portal         string        // what client_endpoint and uploadUrl name; "" is Portal
}

// row is one object of the portal.
type row = map[string]any

// Server is the portal. Its [connector.Trouble] is what tests order.
type Server struct {
	*connector.Trouble

	opts Options

	mu      sync.Mutex
	level   float64 // of the bucket
	at      time.Time
	worked  map[string][]minute
	access  map[string]time.Time // access tokens and their ends
	refresh map[string]bool
	issued  int
	rows    map[string][]row // by kind
	ids     map[string]int
}

// minute is the working time that a method has spent from a moment on.
type minute struct {
	from  time.Time
	spent time.Duration
}

// New makes a portal with one employee (ID 1, inner number 101, at work).
func New(o Options) *Server {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.PerSecond <= 0 {
		o.PerSecond = 2
	}
	if o.Burst <= 0 {
		o.Burst = 50
	}
	if o.WorkingTime <= 0 {
		o.WorkingTime = 480 * time.Second
	}
	if o.Portal == "" {
		o.Portal = Portal
	}
	s := &Server{
		Trouble: connector.NewTrouble(o.Clock), opts: o, at: o.Clock.Now(), worked: map[string][]minute{}, access: map[string]time.Time{}, refresh: map[string]bool{Refresh: true},
		rows: map[string][]row{}, ids: map[string]int{},
	}
	s.Add("user", row{"NAME": "Анна", "UF_PHONE_INNER": "101", "PERSONAL_MOBILE": "+79160000001", "SHIFT": "OPENED"})
	return s
}

// Add puts an object into the portal: a user {NAME, UF_PHONE_INNER,
// PERSONAL_MOBILE, SHIFT}, or a lead, contact or company {title, name, phone,
// assignedById}. It gives the object's ID.
func (s *Server) Add(kind string, fields map[string]any) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addLocked(kind, fields, true)
}

func (s *Server) addLocked(kind string, fields row, old bool) int {
	s.ids[kind]++
	id := s.ids[kind]
	made := maps.Clone(fields)
	if made == nil {
		made = row{}
	}
	made["id"] = id
	if number, ok := made["phone"].(string); ok && made["fm"] == nil {
		made["fm"] = []any{row{"typeId": "PHONE", "valueType": "WORK", "value": number}}
	}
	if !old {
		made["createdAt"] = s.opts.Clock.Now()
	}
	s.rows[kind] = append(s.rows[kind], made)
	return id
}

// All are the objects of a kind: user, lead, contact, company, call, task,
// notify. They are copies.
func (s *Server) All(kind string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []map[string]any{}
	for _, r := range s.rows[kind] {
		c := maps.Clone(r)
		delete(c, "createdAt")
		out = append(out, c)
	}
	return out
}

// Expire lets all access tokens run out.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// refusal is an error body of the portal.
type refusal struct {
	status     int
	name, says string
}

func (r *refusal) Error() string { return r.name }

func core(says string) *refusal { return &refusal{400, "ERROR_CORE", says} }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.Meets(w, r) {
		return
	}
	if strings.HasPrefix(r.URL.Path, "/oauth/token") {
		s.token(w, r)
		return
	}
	fields, err := s.read(r)
	if err != nil {
		send(w, 400, row{"error": "INVALID_REQUEST", "error_description": err.Error()})
		return
	}
	body, status, lost := s.answer(r.URL.Path, fields)
	if lost {
		connector.Lose(w)
		return
	}
	send(w, status, body)
}

// answer serves one request to /rest/.
func (s *Server) answer(path string, fields row) (body row, status int, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	method, app, refused := s.admit(path, fields)
	delete(fields, "auth")
	var result any
	if refused == nil {
		result, refused = s.call(method, app, fields)
	}
	asked := connector.Asked{Method: method, Params: fields}
	status = 200
	body = row{"time": s.timeOf(method)}
	if refused != nil {
		asked.Error, status = refused.name, refused.status
		body["error"], body["error_description"] = refused.name, refused.says
	} else {
		body["result"] = result
		if rows, ok := result.(page); ok {
			body["result"], body["total"] = rows.result, rows.total
			if rows.next > 0 {
				body["next"] = rows.next
			}
		}
		lost = s.Loses()
	}
	s.Note(asked)
	return body, status, lost
}

func send(w http.ResponseWriter, status int, body row) {
	raw, err := json.Marshal(body)
	if err != nil {
		status, raw = 500, []byte(`{"error":"INTERNAL_SERVER_ERROR"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func whole(v any) int {
	n, _ := strconv.Atoi(text(v))
	return n
}
