package api

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

const formType = "application/x-www-form-urlencoded"

func TestPlaceCallHoweverItIsSent(t *testing.T) {
	full := `{"script":"order","to":"+79161234567","key":"k","attempts":3,"data":{"name":"Anna","n":"7"},"retry":{"busy":"5m"}}`
	cases := []struct{ name, target, kind, body, want string }{
		{"json", "", "application/json", full, full},
		{"json with a charset", "", "application/json; charset=utf-8", full, full},
		{"json without a type", "", "", full, full},
		{"json as text", "", "text/plain", full, full},
		{"json under curl's default type", "", formType, " \n" + full, full},
		{"query", "?script=order&to=101", "", "", `{"script":"order","to":"101"}`},
		{"query and json", "?script=order", "application/json", `{"to":"101"}`, `{"script":"order","to":"101"}`},
		{"form", "", formType, "script=order&to=%2B79161234567&key=k&attempts=3&data.name=Anna&data[n]=7&retry[busy]=5m", full},
		{"form with an unescaped plus", "", formType, "script=order&to=+79161234567", `{"script":"order","to":"+79161234567"}`},
		{"form with empty fields", "", formType, "script=order&to=101&from=&trunk=&attempts=&data=", `{"script":"order","to":"101"}`},
		{"form with data in JSON", "", formType, `script=order&to=101&data={"a":[1,2]}`, `{"script":"order","to":"101","data":{"a":[1,2]}}`},
		{"form with a text in braces", "", formType, "script=order&to=101&data.a={x}", `{"script":"order","to":"101","data":{"a":"{x}"}}`},
		{"form with an empty field of data", "", formType, "script=order&to=101&data.a=", `{"script":"order","to":"101","data":{"a":""}}`},
		{"form with a callback", "", formType, "script=order&to=101&callback[url]=http://x&callback[secret]=s", `{"script":"order","to":"101","callback":{"url":"http://x","secret":"s"}}`},
		{"form with names of ours in data", "", formType, "script=order&to=1&data.attempts=many&data.to=+7&data.loop=true", `{"script":"order","to":"1","data":{"attempts":"many","to":" 7","loop":"true"}}`},
		{"form and query", "?script=order", formType, "to=101", `{"script":"order","to":"101"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse()
			w := h.ask(t, "POST", "/v1/calls"+c.target, c.body, "Content-Type", c.kind)
			want(t, w, http.StatusAccepted, "")
			if got := strings.TrimSpace(w.Body.String()); got != `{"id":"one","state":"queued"}` {
				t.Errorf("answer %s", got)
			}
			sameJSON(t, h.placed[0], []byte(c.want))
		})
	}
}

func sameJSON(t *testing.T, got, want []byte) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPlaceCallRefused(t *testing.T) {
	cases := []struct{ name, target, kind, body, says string }{
		{"unknown field", "", "application/json", `{"script":"order","to":"1","tirmeout":"5s"}`, "tirmeout"},
		{"unknown field of a form", "", formType, "script=order&to=1&tirmeout=5s", "tirmeout"},
		{"unknown field of the query", "?script=order&tirmeout=5s", "", "", "tirmeout"},
		{"no JSON", "", "application/json", `script=order`, "no JSON object"},
		{"a list", "", "application/json", `[]`, "no JSON object"},
		{"two objects", "", "application/json", `{"script":"order"}{"to":"1"}`, "no JSON object"},
		{"cut off", "", "application/json", `{"script":"order"`, "no JSON object"},
		{"bad form", "", formType, `%zz`, "form:"},
		{"twice in the form", "", formType, "script=a&script=b", "2 times"},
		{"in body and query", "?to=1", "application/json", `{"script":"order","to":"2"}`, "to stands"},
		{"data twice", "", formType, `script=order&data={}&data.x=1`, "as a whole and by fields"},
		{"data without a name", "", formType, `script=order&data.=1`, `"data."`},
		{"nested data", "", formType, `script=order&data[a][b]=1`, `"data[a][b]"`},
		{"attempts in words", "", formType, `script=order&attempts=many`, "attempts"},
		{"nothing", "", "", "", "needs script"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := want(t, newHouse().ask(t, "POST", "/v1/calls"+c.target, c.body, "Content-Type", c.kind), http.StatusUnprocessableEntity, fault.Invalid)
			if !strings.Contains(p.Error.Message, c.says) {
				t.Errorf("%q does not say %q", p.Error.Message, c.says)
			}
		})
	}
}

func TestMultipartForm(t *testing.T) {
	form := func(withFile bool) (string, string) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		_ = m.WriteField("script", "order")
		_ = m.WriteField("to", "+79161234567")
		_ = m.WriteField("data[name]", "Anna")
		if withFile {
			f, _ := m.CreateFormFile("x", "x.txt")
			_, _ = f.Write([]byte("x"))
		}
		m.Close()
		return b.String(), m.FormDataContentType()
	}
	h := newHouse()
	body, kind := form(false)
	want(t, h.ask(t, "POST", "/v1/calls", body, "Content-Type", kind), http.StatusAccepted, "")
	sameJSON(t, h.placed[0], []byte(`{"script":"order","to":"+79161234567","data":{"name":"Anna"}}`))
	body, kind = form(true)
	want(t, h.ask(t, "POST", "/v1/calls", body, "Content-Type", kind), http.StatusUnprocessableEntity, fault.Invalid)
	want(t, h.ask(t, "POST", "/v1/calls", "x", "Content-Type", "multipart/form-data"), http.StatusUnprocessableEntity, fault.Invalid)
}

func TestIdempotencyKey(t *testing.T) {
	h := newHouse()
	order := `{"script":"order","to":"101"}`
	want(t, h.ask(t, "POST", "/v1/calls", order, "Idempotency-Key", "abc"), http.StatusAccepted, "")
	h.created = false
	want(t, h.ask(t, "POST", "/v1/calls", order, "Idempotency-Key", "abc"), http.StatusOK, "")
	if h.keys[0] != "abc" || h.keys[1] != "abc" {
		t.Fatalf("keys %q", h.keys)
	}
	h.fail = fault.New(fault.Conflict, "the Idempotency-Key was used with another body")
	want(t, h.ask(t, "POST", "/v1/calls", order, "Idempotency-Key", "abc"), http.StatusConflict, fault.Conflict)
	want(t, newHouse().ask(t, "POST", "/v1/calls", order, "Idempotency-Key", strings.Repeat("k", maxIdempotencyKey)), http.StatusAccepted, "")
	want(t, newHouse().ask(t, "POST", "/v1/calls", order, "Idempotency-Key", strings.Repeat("k", maxIdempotencyKey+1)), 422, fault.Invalid)
}

// as asks with another token.
func (h *house) as(t *testing.T, name, method, target, body string) *recorder {
	t.Helper()
	return askOf(New(h.options()), method, target, body, "Authorization", "Bearer "+name+"-secret")
}

// TestTokenOfOneScript: the token order may start and see the script order,
// and cannot tell other scripts' calls from none.
func TestTokenOfOneScript(t *testing.T) {
	h := newHouse()
	want(t, h.as(t, "order", "POST", "/v1/calls", `{"script":"order","to":"1"}`), 202, "")
	want(t, h.as(t, "order", "POST", "/v1/calls", `{"script":"sales","to":"1"}`), 403, fault.Denied)
	want(t, h.as(t, "order", "POST", "/v1/calls?script=sales", `{"to":"1"}`), 403, fault.Denied)
	want(t, h.as(t, "order", "POST", "/v1/calls", `{"to":"1"}`), 422, fault.Invalid)
	if len(h.placed) != 2 {
		t.Errorf("%d orders reached the engine", len(h.placed))
	}
	for _, r := range routes {
		if !strings.Contains(r.pattern, "/v1/calls/{id}") {
			continue
		}
		method, target := sample(r)
		for id, status := range map[string]int{"two": 404, "in": 404, "none": 404, "one": 200} {
			h := newHouse()
			w := h.as(t, "order", method, strings.Replace(target, "one", id, 1), bodyFor(r))
			if (status == 404) != (w.Code == 404) {
				t.Errorf("%s of %s: %d", r.pattern, id, w.Code)
			}
			if status == 404 && len(h.ended)+len(h.commands) > 0 {
				t.Errorf("%s of %s: something was done", r.pattern, id)
			}
		}
	}
	want(t, h.as(t, "order", "GET", "/v1/calls", ""), 200, "")
	if h.query.Script != "order" {
		t.Errorf("the list is not narrowed: %+v", h.query)
	}
	want(t, h.as(t, "order", "GET", "/v1/calls?script=sales", ""), 403, fault.Denied)
	want(t, h.as(t, "both", "GET", "/v1/flows?script=other", ""), 403, fault.Denied)
	h.rows = []json.RawMessage{json.RawMessage(`{"id":"1","script":"sales"}`), json.RawMessage(`{"id":"2","script":"other"}`), json.RawMessage(`{"id":"3","script":"order"}`)}
	if w := h.as(t, "both", "GET", "/v1/calls?limit=2", ""); w.Code != 200 || w.Body.String() != `{"calls":[{"id":"1","script":"sales"},{"id":"3","script":"order"}],"next":"more"}`+"\n" {
		t.Errorf("a token for two scripts sees %d %s", w.Code, w.Body)
	}
	h.rows = nil
	want(t, h.as(t, "both", "GET", "/v1/calls?script=sales", ""), 200, "")
	want(t, h.as(t, "order", "GET", "/v1/scripts", ""), 200, "")
	if !reflect.DeepEqual(h.sees, []string{"order"}) {
		t.Errorf("sees %q", h.sees)
	}
}

func TestListQuery(t *testing.T) {
	h := newHouse()
	w := h.ask(t, "GET", "/v1/calls?state=done&outcome=busy&script=order&trunk=mango&to=+7916&from=%2B7495&key=k&tag.shop=spb&since=2026-11-21T10:00:00+03:00&until=2026-11-22T10:00:00Z&limit=5&cursor=c", "")
	want(t, w, 200, "")
	got := h.query
	if !got.Since.Equal(time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC)) || !got.Until.Equal(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("times %v %v", got.Since, got.Until)
	}
	got.Since, got.Until = time.Time{}, time.Time{}
	wanted := Query{State: "done", Outcome: "busy", Script: "order", Trunk: "mango", To: "+7916", From: "+7495", Key: "k", Tags: map[string]string{"shop": "spb"}, Limit: 5, Cursor: "c"}
	if !reflect.DeepEqual(got, wanted) {
		t.Errorf("%+v", got)
	}
	if got := strings.TrimSpace(w.Body.String()); got != `{"calls":[],"next":"more"}` {
		t.Errorf("no rows are %s", got)
	}
	want(t, h.ask(t, "GET", "/v1/calls", ""), 200, "")
	if h.query.Limit != defaultLimit {
		t.Errorf("limit %d", h.query.Limit)
	}
	want(t, h.ask(t, "GET", "/v1/calls?limit=1000", ""), 200, "")
	for _, bad := range []string{"limit=0", "limit=1001", "limit=x", "since=yesterday", "until=1", "stat=done", "tags=x"} {
		want(t, h.ask(t, "GET", "/v1/calls?"+bad, ""), 422, fault.Invalid)
	}
}

func TestShowTimelineAndCancel(t *testing.T) {
	h := newHouse()
	want(t, h.ask(t, "GET", "/v1/calls/one", ""), 200, "")
	want(t, h.ask(t, "GET", "/v1/calls/none", ""), 404, fault.NotFound)
	w := h.ask(t, "GET", "/v1/calls/one/timeline", "")
	if got := strings.TrimSpace(w.Body.String()); got != `{"events":[{"at_ms":1,"detail":"\u003e INVITE","kind":"sip"}]}` {
		t.Errorf("timeline %s", got)
	}
	want(t, h.ask(t, "DELETE", "/v1/calls/one.1", ""), 204, "")
	want(t, h.ask(t, "DELETE", "/v1/calls?key=order-77", ""), 204, "")
	if !reflect.DeepEqual(h.ended, []string{"one.1", "one"}) {
		t.Errorf("ended %q", h.ended)
	}
	want(t, h.ask(t, "DELETE", "/v1/calls?key=other", ""), 404, fault.NotFound)
	want(t, h.ask(t, "DELETE", "/v1/calls", ""), 422, fault.Invalid)
	want(t, h.ask(t, "HEAD", "/v1/calls/one", ""), 200, "")
}

func TestCommand(t *testing.T) {
	h := newHouse()
	w := h.ask(t, "POST", "/v1/calls/one/commands", `{"do":"say","text":"hi"}`)
	want(t, w, 200, "")
	if got := strings.TrimSpace(w.Body.String()); got != "{}" {
		t.Errorf("nothing is %s", got)
	}
	want(t, h.ask(t, "POST", "/v1/calls/one/commands", "do=mute&muted=false", "Content-Type", formType), 200, "")
	sameJSON(t, h.commands[1], []byte(`{"do":"mute","muted":false}`))
	want(t, h.ask(t, "POST", "/v1/calls/one/commands", "do=say&text=a&volume=0.5", "Content-Type", formType), 200, "")
	sameJSON(t, h.commands[2], []byte(`{"do":"say","text":"a","volume":0.5}`))
	want(t, h.ask(t, "POST", "/v1/calls/none/commands", `{"do":"hangup"}`), 404, fault.NotFound)
	h.fail = fault.New(fault.Hangup, "the call is over")
	want(t, h.ask(t, "POST", "/v1/calls/one/commands", `{"do":"hangup"}`), 409, fault.Hangup)
}

func TestConferences(t *testing.T) {
	h := newHouse()
	for _, c := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"GET", "/v1/conferences", "", 200, `"conferences":[{`},
		{"GET", "/v1/conferences/sales", "", 200, `"name":"sales"`},
		{"GET", "/v1/conferences/nobody", "", 404, "NOT_FOUND"},
		{"POST", "/v1/conferences/sales/commands", `{"do":"close"}`, 200, `"state":"done"`},
		{"POST", "/v1/conferences/sales/commands", `[]`, 422, "INVALID"},
		{"POST", "/v1/conferences/nobody/commands", `{"do":"close"}`, 404, "NOT_FOUND"},
	} {
		got := h.ask(t, c.method, c.path, c.body)
		if got.Code != c.status || !strings.Contains(got.Body.String(), c.has) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, got.Code, got.Body)
		}
	}
}
