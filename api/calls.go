package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// maxIdempotencyKey is the longest Idempotency-Key.
const maxIdempotencyKey = 255

// order is a request that orders something of a script.
type order struct {
	body   json.RawMessage
	script string // "" when the body does not say: whoever takes it says what is wrong
	key    string // Idempotency-Key
}

// ordered reads one. The token must cover its script.
func ordered(r *http.Request) (o order, err error) {
	if o.body, err = object(r); err != nil {
		return o, err
	}
	var what struct {
		Script string `json:"script"`
	}
	_ = json.Unmarshal(o.body, &what)
	if o.script = what.Script; o.script != "" {
		if err := mayScript(r, o.script); err != nil {
			return o, err
		}
	}
	o.key = r.Header.Get("Idempotency-Key")
	if len(o.key) > maxIdempotencyKey {
		return o, fault.New(fault.Invalid, "Idempotency-Key: longer than %d characters", maxIdempotencyKey)
	}
	return o, nil
}

// placeCall is POST /v1/calls: 202 for a new order, 200 for one that stood.
func (s *server) placeCall(w http.ResponseWriter, r *http.Request) error {
	o, err := ordered(r)
	if err != nil {
		return err
	}
	answer, created, err := s.Calls.Place(o.body, o.key)
	if err != nil {
		return err
	}
	tell(r, "script %s, order %s", o.script, idOf(answer))
	if created {
		return write(w, http.StatusAccepted, answer)
	}
	return write(w, http.StatusOK, answer)
}

// idOf is the id in an answer, "" if it has none.
func idOf(answer any) string {
	var o struct {
		ID string `json:"id"`
	}
	if raw, err := json.Marshal(answer); err == nil {
		_ = json.Unmarshal(raw, &o)
	}
	return o.ID
}

// listFilters are the parameters of GET /v1/calls, beside tag.NAME.
var listFilters = []string{"state", "outcome", "script", "campaign", "trunk", "to", "from", "key", "since", "until", "limit", "cursor"}

func (s *server) listCalls(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r.URL.Query())
	if err != nil {
		return err
	}
	t := token(r)
	if err := narrow(t, &q.Script); err != nil {
		return err
	}
	rows, next, err := seen(t, q.Script, q.Limit, func(limit int, cursor *string) ([]json.RawMessage, string, error) {
		if q.Limit = limit; cursor != nil {
			q.Cursor = *cursor
		}
		return s.Calls.List(q)
	})
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"calls": rows, "next": next})
}

// narrow keeps a token that is for one script to it, and refuses one that it
// is not for. Of a token for several, seen leaves the rest out.
func narrow(t Token, script *string) error {
	switch {
	case len(t.Scripts) == 0 || *script != "" && t.sees(*script):
		return nil
	case *script != "":
		return t.noScript(*script)
	case len(t.Scripts) == 1:
		*script = t.Scripts[0]
	}
	return nil
}

// MaxLooks is how many pages are read for one answer to a token that is for
// several scripts; what is left then is on the next page.
const MaxLooks = 50

// seen lists what a token may see. list gives a page of at most limit rows, at
// cursor if that is not nil.
func seen(t Token, script string, limit int, list func(limit int, cursor *string) ([]json.RawMessage, string, error)) ([]json.RawMessage, string, error) {
	rows := []json.RawMessage{}
	var cursor *string
	for range MaxLooks {
		page, next, err := list(limit-len(rows), cursor)
		if err != nil {
			return nil, "", err
		}
		for _, row := range page {
			var of struct {
				Script string `json:"script"`
			}
			if script != "" || len(t.Scripts) == 0 || json.Unmarshal(row, &of) == nil && t.sees(of.Script) {
				rows = append(rows, row)
			}
		}
		if next == "" || len(rows) >= limit || script != "" || len(t.Scripts) == 0 {
			return rows, next, nil
		}
		cursor = &next
	}
	return rows, *cursor, nil
}

func query(v url.Values) (q Query, err error) {
	q = Query{
		State: v.Get("state"), Outcome: v.Get("outcome"), Script: v.Get("script"), Campaign: v.Get("campaign"), Trunk: v.Get("trunk"), To: plus(v.Get("to")),
		From: plus(v.Get("from")), Key: v.Get("key"), Tags: map[string]string{},
	}
	for name := range v {
		if tag, ok := strings.CutPrefix(name, "tag."); ok {
			q.Tags[tag] = v.Get(name)
		} else if !slices.Contains(listFilters, name) {
			return q, fault.New(fault.Invalid, "no filter %q", name).WithHint("filters are %s and tag.NAME", strings.Join(listFilters, ", "))
		}
	}
	if q.Since, err = moment("since", v.Get("since")); err != nil {
		return q, err
	}
	if q.Until, err = moment("until", v.Get("until")); err != nil {
		return q, err
	}
	q.Limit, q.Cursor, err = page(v)
	return q, err
}

func (s *server) showCall(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.mayCall(r, id); err != nil {
		return err
	}
	v, err := s.Calls.Show(id)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, v)
}

func (s *server) timeline(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.mayCall(r, id); err != nil {
		return err
	}
	v, err := s.Calls.Timeline(id)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"events": v})
}

func (s *server) cancelCall(w http.ResponseWriter, r *http.Request) error {
	return s.cancel(w, r, r.PathValue("id"))
}

func (s *server) cancelKey(w http.ResponseWriter, r *http.Request) error {
	key := r.URL.Query().Get("key")
	if key == "" {
		return fault.New(fault.Invalid, "DELETE /v1/calls needs ?key=")
	}
	id, err := s.Calls.OpenOrder(key)
	if err != nil {
		return err
	}
	return s.cancel(w, r, id)
}

func (s *server) cancel(w http.ResponseWriter, r *http.Request, id string) error {
	if err := s.mayCall(r, id); err != nil {
		return err
	}
	if err := s.Calls.Cancel(id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) command(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.mayCall(r, id); err != nil {
		return err
	}
	body, err := object(r)
	if err != nil {
		return err
	}
	var what struct {
		Do string `json:"do"`
	}
	if json.Unmarshal(body, &what) == nil {
		tell(r, "do %s", what.Do)
	}
	v, err := s.Calls.Command(id, body)
	if err != nil {
		return err
	}
	if v == nil {
		v = map[string]any{}
	}
	return write(w, http.StatusOK, v)
}
