package api

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

// object reads the parameters of a request as one JSON object, whichever way
// they came: a JSON body, a form, the query, or a body and the query together.
// Fields of a form named data.x or data[x] become data: {x}. What begins with a
// brace is JSON, whatever its type says: curl -d calls everything a form.
func object(r *http.Request) (json.RawMessage, error) {
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fault.New(fault.Network, "body: %w", err)
	}
	var body map[string]json.RawMessage
	switch {
	case len(bytes.TrimSpace(raw)) == 0:
	case kind == "application/x-www-form-urlencoded" && bytes.TrimSpace(raw)[0] != '{':
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, fault.New(fault.Invalid, "form: %w", err)
		}
		if body, err = fields(form); err != nil {
			return nil, err
		}
	case kind == "multipart/form-data":
		if body, err = parts(raw, params["boundary"]); err != nil {
			return nil, err
		}
	default:
		if err := json.Unmarshal(raw, &body); err != nil {
			return nil, fault.New(fault.Invalid, "the body is no JSON object: %w", err).
				WithHint("send JSON, or a form with Content-Type: application/x-www-form-urlencoded")
		}
	}
	return withQuery(body, r.URL.Query())
}

// withQuery adds what the query says; nothing may be said twice.
func withQuery(body map[string]json.RawMessage, query url.Values) (json.RawMessage, error) {
	asked, err := fields(query)
	if err != nil {
		return nil, err
	}
	if body == nil {
		body = map[string]json.RawMessage{}
	}
	for name, value := range asked {
		if _, twice := body[name]; twice {
			return nil, fault.New(fault.Invalid, "%s stands in the body and in the query", name)
		}
		body[name] = value
	}
	return json.Marshal(body)
}

// parts reads a multipart form without files.
func parts(raw []byte, boundary string) (map[string]json.RawMessage, error) {
	form, err := multipart.NewReader(bytes.NewReader(raw), boundary).ReadForm(int64(len(raw)))
	if err != nil {
		return nil, fault.New(fault.Invalid, "form: %w", err)
	}
	defer form.RemoveAll()
	if len(form.File) > 0 {
		return nil, fault.New(fault.Invalid, "form: files are not taken")
	}
	return fields(form.Value)
}

// inner are the fields that are objects, and may be given as name.x or name[x].
var inner = []string{"data", "retry", "callback", "window"}

// fields makes an object of form fields. A value that reads as a JSON object
// or list is taken as one; an empty field is as good as none.
func fields(form url.Values) (map[string]json.RawMessage, error) {
	out, nested := map[string]json.RawMessage{}, map[string]map[string]json.RawMessage{}
	for name, values := range form {
		if len(values) > 1 {
			return nil, fault.New(fault.Invalid, "%s is given %d times", name, len(values))
		}
		outer, field, deep := split(name)
		switch {
		case deep && (field == "" || strings.ContainsAny(field, "[]")):
			return nil, fault.New(fault.Invalid, "no field %q", name).WithHint("give data as one JSON object")
		case deep:
			if nested[outer] == nil {
				nested[outer] = map[string]json.RawMessage{}
			}
			nested[outer][field] = formValue("", values[0])
		case (name == "attempts" || name == "priority") && values[0] != "" && !isWhole(values[0]):
			return nil, fault.New(fault.Invalid, "%s: %q is no number", name, values[0])
		case values[0] != "":
			out[name] = formValue(name, values[0])
		}
	}
	for outer, values := range nested {
		if out[outer] != nil {
			return nil, fault.New(fault.Invalid, "%s is given as a whole and by fields", outer)
		}
		out[outer], _ = json.Marshal(values) // texts and valid JSON only
	}
	return out, nil
}

// split takes data.x and data[x] apart.
func split(name string) (outer, field string, deep bool) {
	for _, outer := range inner {
		rest, ok := strings.CutPrefix(name, outer)
		if !ok {
			continue
		}
		if field, ok := strings.CutPrefix(rest, "."); ok {
			return outer, field, true
		}
		if field, ok := strings.CutPrefix(rest, "["); ok && strings.HasSuffix(field, "]") {
			return outer, strings.TrimSuffix(field, "]"), true
		}
	}
	return "", "", false
}

func formValue(name, s string) json.RawMessage {
	t := strings.TrimSpace(s)
	if len(t) > 1 && (t[0] == '{' || t[0] == '[') && json.Valid([]byte(t)) {
		return json.RawMessage(t)
	}
	switch name {
	case "attempts", "priority":
		return json.RawMessage(t)
	case "volume":
		if json.Valid([]byte(t)) {
			return json.RawMessage(t)
		}
	case "to", "from":
		s = plus(s)
	case "muted", "held", "stereo", "stop", "loop":
		if t == "true" || t == "false" {
			return json.RawMessage(t)
		}
	}
	text, _ := json.Marshal(s)
	return text
}

func isWhole(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && strconv.Itoa(n) == s
}

// plus gives a number back the sign that a form turned into a blank: to=+7916…
// must be written to=%2B7916…, and seldom is.
func plus(s string) string {
	if len(s) > 1 && s[0] == ' ' && s[1] >= '0' && s[1] <= '9' {
		return "+" + s[1:]
	}
	return s
}

// Rows of a list.
const (
	defaultLimit = 100
	maxLimit     = 1000 // rows that a client may ask for at once
)

// page reads limit and cursor.
func page(q url.Values) (limit int, cursor string, err error) {
	for _, name := range []string{"limit", "cursor"} {
		if len(q[name]) > 1 {
			return 0, "", fault.New(fault.Invalid, "%s is given %d times", name, len(q[name]))
		}
	}
	limit = defaultLimit
	if text := q.Get("limit"); text != "" {
		n, bad := strconv.Atoi(text)
		if bad != nil || n < 1 || n > maxLimit {
			return 0, "", fault.New(fault.Invalid, "limit: %q is not 1 to %d", text, maxLimit)
		}
		limit = n
	}
	return limit, q.Get("cursor"), nil
}

// moment reads an RFC 3339 time; a blank stands for the plus of its zone.
func moment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, strings.Replace(text, " ", "+", 1))
	if err != nil {
		return t, fault.New(fault.Invalid, "%s: %q is no RFC 3339 time", name, text).WithHint("write 2026-11-21T10:00:00Z")
	}
	return t, nil
}

// span reads a duration that must be more than nothing; "" is 0.
func span(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := duration.Parse(text)
	if err != nil || d <= 0 {
		return 0, fault.New(fault.Invalid, "%s: %q is no duration", name, text).WithHint(`write "30s", "15m" or milliseconds`)
	}
	return d, nil
}

// list reads a list of words by commas.
func list(text string) []string {
	words := strings.Split(text, ",")
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}
