package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

func faultOf(err error) *fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.Invalid, "the body is longer than limits.http_body")
	}
	return fault.New(fault.Internal, "%s", err)
}

// object reads the parameters of a request as one JSON object, whichever way
// they came: JSON, form or query. Fields of a form named data.x or data[x]
// become data: {x}.
func object(r *http.Request) (json.RawMessage, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, faultOf(err)
	}
	switch {
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, fault.New(fault.Invalid, "form: %w", err)
		}
		for name, values := range r.URL.Query() {
			form[name] = append(form[name], values...)
		}
		return fields(form)
	case len(bytes.TrimSpace(raw)) == 0:
		return fields(r.URL.Query())
	}
	var probe map[string]json.RawMessage
	if err := json.Unmarshal(raw, &probe); err != nil {
		return nil, fault.New(fault.Invalid, "the body is no JSON object: %w", err)
	}
	return raw, nil
}

// fields makes an object of form fields. A value that reads as a JSON object
// or list is taken as one.
func fields(form url.Values) (json.RawMessage, error) {
	out, data := map[string]any{}, map[string]any{}
	for name, values := range form {
		value := formValue(values[len(values)-1])
		switch inner, ok := nested(name); {
		case ok:
			data[inner] = value
		case name == "attempts":
			n, err := strconv.Atoi(values[len(values)-1])
			if err != nil {
				return nil, fault.New(fault.Invalid, "attempts: %q is no number", values[0])
			}
			out[name] = n
		default:
			out[name] = value
		}
	}
	if len(data) > 0 {
		out["data"] = data
	}
	return json.Marshal(out)
}

func nested(name string) (string, bool) {
	if inner, ok := strings.CutPrefix(name, "data."); ok {
		return inner, true
	}
	if inner, ok := strings.CutPrefix(name, "data["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]"), true
	}
	return "", false
}

func formValue(s string) any {
	t := strings.TrimSpace(s)
	if len(t) > 1 && (t[0] == '{' || t[0] == '[') && json.Valid([]byte(t)) {
		return json.RawMessage(t)
	}
	return s
}

// page reads limit and cursor.
func page(q url.Values) (limit int, cursor string, err error) {
	limit = 100
	if text := q.Get("limit"); text != "" {
		n, bad := strconv.Atoi(text)
		if bad != nil || n < 1 || n > 1000 {
			return 0, "", fault.New(fault.Invalid, "limit: %q is not 1 to 1000", text)
		}
		limit = n
	}
	return limit, q.Get("cursor"), nil
}

func moment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fault.New(fault.Invalid, "%s: %q is no RFC 3339 time", name, text)
	}
	return t, nil
}
