package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// writes sends a text out of a phone and returns the status of its answer.
func writes(t *testing.T, p *project, ua *phone.Phone, from, to, text string, more ...phone.Header) int {
	t.Helper()
	m := &phone.Message{Method: "MESSAGE", URI: p.uri(to), Body: text, Headers: append([]phone.Header{
		ua.Via(), {Name: "From", Value: "\"Somebody\" <sip:" + from + "@" + ua.Addr.String() + ">;tag=1"}, {Name: "To", Value: "<" + p.uri(to) + ">"},
		{Name: "Call-ID", Value: phone.Random()}, {Name: "CSeq", Value: "1 MESSAGE"}, {Name: "Content-Type", Value: "text/plain;charset=UTF-8"},
	}, more...)}
	if len(more) == 0 {
		m.Headers = append(m.Headers, phone.Header{Name: "Max-Forwards", Value: "70"})
	}
	if err := ua.Send(m, p.sip); err != nil {
		t.Fatal(err)
	}
	end := time.After(testLimit)
	for {
		select {
		case got := <-ua.Requests:
			if got.Code >= 200 {
				return got.Code
			}
		case <-end:
			t.Fatal("no answer to the text")
		}
	}
}

// TestTextsBetweenUsers: what no script takes reaches the phones of the other
// user, under the sender's own name, and leaves nowhere else.
func TestTextsBetweenUsers(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"calls.ts": `export default async (call) => {}`}, conf{
		sip:  `users: {"101": {password: pw, name: Anna}, "102": {password: pw}, "103": {password: pw}, "104": {password: pw, dial: ["+7"]}}`,
		rest: "routes: [{to: \"200\", connect: \"102\"}, {to: \"102\", script: calls}, {to: \"+7*\", connect: \"{to}\"}]\n",
	})
	phones := map[string]*phone.Phone{}
	for _, name := range []string{"101", "102", "104"} {
		phones[name] = phone.New(t, name, "127.0.0.1")
		register(t, p, phones[name], "pw")
	}
	got := make(chan *phone.Message, 8)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case m := <-phones["102"].Requests:
				code := 200
				if strings.Contains(m.Body, "rude") {
					code = 606
				}
				_ = phones["102"].Reply(m, code, "x", "")
				got <- m
			case <-done:
				return
			}
		}
	}()
	last := phone.Header{Name: "Max-Forwards", Value: "1"}
	for _, tc := range []struct {
		from, says, to, text string
		more                 []phone.Header
		want                 int
		arrives              bool
	}{
		{"101", "101", "102", "привет", nil, 200, true},
		{"101", "102", "102", "under a false name", nil, 404, false},
		{"101", "101", "200", "through a route", nil, 200, true},
		{"101", "101", "102", "rude", nil, 606, true},
		{"101", "101", "102", "a circle", []phone.Header{last}, 483, false},
		{"101", "101", "103", "nobody there", nil, 480, false},
		{"101", "101", "109", "no such user", nil, 404, false},
		{"101", "101", "+79161112233", "not through a trunk", nil, 404, false},
		{"104", "104", "102", "may not", nil, 403, false},
	} {
		if code := writes(t, p, phones[tc.from], tc.says, tc.to, tc.text, tc.more...); code != tc.want {
			t.Errorf("%q: %d, want %d", tc.text, code, tc.want)
		}
		if !tc.arrives {
			continue
		}
		var m *phone.Message
		select {
		case m = <-got:
		case <-time.After(testLimit):
			t.Fatalf("%q does not arrive", tc.text)
		}
		if m.Body != tc.text || !strings.Contains(m.Get("from"), "Anna") || !strings.Contains(m.Get("from"), "<sip:101@") || !strings.Contains(m.Get("content-type"), "charset") || m.Get("max-forwards") != "69" {
			t.Errorf("%s\n%v\n%s", m, m.Headers, m.Body)
		}
	}
	if len(got) > 0 {
		t.Errorf("%s", <-got)
	}
	// A stranger whom the program trusts is no user.
	if code := writes(t, p, phone.New(t, "x", "127.0.0.1"), "101", "102", "hello"); code != 404 {
		t.Errorf("a stranger: %d", code)
	}
}
