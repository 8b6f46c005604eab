// Package fake is a RetailCRM account in memory: paths of API v5, the key, the
// limits of the vendor's clients, form fields with JSON inside, and error
// bodies as those clients expect them (retailcrm/api-client-php, api-client-go,
// 2026). It is for tests and `loopstart dev`.
//
// Not confirmed by documentation, and so a choice of this package: the texts of
// error messages beyond those in the clients' tests, and in which order errors
// are found.
//
// # Concurrency
//
// All methods may be called from any goroutine. A handler that waits takes
// itself off the clock.
package fake

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/connector"
)

// Credentials of an account that was not told others.
const (
	URL = "https://shop.retailcrm.test"
	Key = "test-api-key"
)

// Options are the account's settings; zero values are those of the clients.
type Options struct {
	Clock     clock.Clock
	PerSecond int // 10
	Telephony int // 40
}

// row is one object of the account.
type row = map[string]any

// Server is the account. Its [connector.Trouble] is what tests order.
type Server struct {
	*connector.Trouble

	opts Options

	mu     sync.Mutex
	rows   map[string][]row
	ids    map[string]int
	recent map[string][]time.Time // requests of the last second, by class
}

// New makes an account with one manager (id 1, code 101, at work).
func New(o Options) *Server {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.PerSecond <= 0 {
		o.PerSecond = 10
	}
	if o.Telephony <= 0 {
		o.Telephony = 40
	}
	s := &Server{Trouble: connector.NewTrouble(o.Clock), opts: o, rows: map[string][]row{}, ids: map[string]int{}, recent: map[string][]time.Time{}}
	s.Add("user", row{"firstName": "Анна", "code": "101", "atWork": true})
	return s
}

// Add puts an object into the account: a user {firstName, code, atWork}, a
// customer {firstName, lastName, phone, managerId}, or an order {number,
// externalId, phone, status, managerId, customFields}. It gives the id.
func (s *Server) Add(kind string, fields map[string]any) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[kind]++
	made := maps.Clone(fields)
	if made == nil {
		made = row{}
	}
	made["id"] = s.ids[kind]
	if kind == "order" && made["customFields"] == nil {
		made["customFields"] = row{}
	}
	s.rows[kind] = append(s.rows[kind], made)
	return s.ids[kind]
}

// All are the objects of a kind: user, customer, order, call, event, note, task.
func (s *Server) All(kind string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []map[string]any{}
	for _, r := range s.rows[kind] {
		out = append(out, maps.Clone(r))
	}
	return out
}

// refusal is an error body of the account.
type refusal struct {
	status int
	says   string
	errors row
}

func wrong(field, says string) *refusal {
	return &refusal{400, "Errors in the entity format", row{field: says}}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.Meets(w, r) {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 10<<20))
	form, ferr := url.ParseQuery(string(body))
	if err != nil || ferr != nil {
		send(w, 400, row{"success": false, "errorMsg": "Bad request"})
		return
	}
	maps.Copy(form, r.URL.Query())
	answer, status, lost := s.answer(r, form)
	if lost {
		connector.Lose(w)
		return
	}
	send(w, status, answer)
}

func (s *Server) answer(r *http.Request, form url.Values) (row, int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v5/")
	var body row
	var refused *refusal
	switch {
	case !ok:
		refused = &refusal{404, "Not found", nil}
	default:
		if refused = s.admit(r, path); refused == nil {
			body, refused = s.route(r.Method, path, form)
		}
	}
	asked := connector.Asked{Method: r.Method + " " + path, Params: row{}}
	for name := range form {
		asked.Params[name] = form.Get(name)
	}
	status, lost := 200, false
	if refused != nil {
		status, asked.Error = refused.status, refused.says
		body = row{"success": false, "errorMsg": refused.says}
		if refused.errors != nil {
			body["errors"] = refused.errors
		}
	} else {
		body["success"] = true
		lost = s.Loses()
	}
	s.Note(asked)
	return body, status, lost
}

// admit checks the limit and the key.
func (s *Server) admit(r *http.Request, path string) *refusal {
	class, most := "regular", s.opts.PerSecond
	if strings.HasPrefix(path, "telephony/") {
		class, most = "telephony", s.opts.Telephony
	}
	now := s.opts.Clock.Now()
	s.recent[class] = slices.DeleteFunc(s.recent[class], func(at time.Time) bool { return now.Sub(at) >= time.Second })
	if len(s.recent[class]) >= most {
		return &refusal{503, "Service Temporarily Unavailable", nil}
	}
	s.recent[class] = append(s.recent[class], now)
	if f, ordered := s.Next(); ordered {
		return &refusal{f.Status, f.Says, nil}
	}
	switch r.Header.Get("X-Api-Key") {
	case "":
		return &refusal{403, `"apiKey" is missing.`, nil}
	case Key:
		return nil
	}
	return &refusal{403, `Wrong "apiKey" value.`, nil}
}

// route finds what a path does.
func (s *Server) route(method, path string, form url.Values) (row, *refusal) {
	parts := strings.Split(path, "/")
	switch method + " " + path {
	case "GET credentials":
		return row{"scopes": []string{"order_read", "order_write", "telephony"}, "sitesAvailable": []string{"shop"}, "siteAccess": "access_full"}, nil
	case "GET telephony/manager":
		return s.manager(form)
	case "POST telephony/call/event":
		return s.event(form)
	case "POST telephony/calls/upload":
		return s.upload(form)
	case "GET orders":
		return s.orders(form)
	case "POST customers/notes/create":
		return s.create("note", form)
	case "POST tasks/create":
		return s.create("task", form)
	}
	switch {
	case method == "GET" && len(parts) == 2 && parts[0] == "orders":
		o, refused := s.order(parts[1], form)
		return row{"order": maps.Clone(o)}, refused
	case method == "POST" && len(parts) == 3 && parts[0] == "orders" && parts[2] == "edit":
		return s.edit(parts[1], form)
	case method == "POST" && len(parts) == 3 && parts[0] == "integration-modules" && parts[2] == "edit":
		return s.create("integrationModule", form)
	}
	return nil, &refusal{404, "API method not found", nil}
}

func send(w http.ResponseWriter, status int, body row) {
	raw, err := json.Marshal(body)
	if err != nil {
		status, raw = 500, []byte(`{"success":false,"errorMsg":"Internal server error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
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
