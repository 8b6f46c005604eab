package host

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib/bitrix24/fake"
)

func TestNestedLimit(t *testing.T) {
	for depth, kept := range map[int]bool{maxNested: true, maxNested + 1: false} {
		if got := nest(url.Values{"a" + strings.Repeat("[b]", depth-1): {"x"}}); (len(got) == 1) != kept {
			t.Errorf("%d names: %v", depth, got)
		}
	}
}

func TestMethodsAreBounded(t *testing.T) {
	var m methods
	for i := range MaxMethods {
		m.set(fmt.Sprint(i), working{})
	}
	if len(m.known) != MaxMethods {
		t.Fatalf("%d are remembered", len(m.known))
	}
	if m.set("more", working{}); len(m.known) > MaxMethods {
		t.Fatalf("%d are remembered", len(m.known))
	}
}

// TestBatchLimit: the worker's half refuses such a batch itself.
func TestBatchLimit(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	for n, code := range map[int]fault.Code{MaxBatch: "", MaxBatch + 1: fault.Invalid} {
		commands := strings.TrimSuffix(strings.Repeat(`{"name":"n","method":"profile"},`, n), ",")
		if _, err := w.do("batch", `{"commands":[`+commands+`]}`); fault.CodeOf(err) != code {
			t.Errorf("%d commands: %v", n, err)
		}
	}
}

// TestTriesLimit: a portal that always wants us to slow down is asked so often.
func TestTriesLimit(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.must("rest", `{"method":"profile"}`)
	before := len(w.fake.Requests())
	w.fake.Fail(100, 503, "QUERY_LIMIT_EXCEEDED")
	if _, err := w.do("rest", `{"method":"profile"}`); err == nil {
		t.Fatal("no error")
	}
	if n := len(w.fake.Requests()) - before; n != maxTries {
		t.Errorf("%d tries", n)
	}
}

// TestListedLimit: a list without end is collected so far.
func TestListedLimit(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	const page = 50
	var one strings.Builder
	for range page {
		one.WriteString(`{"ID":"1"},`)
	}
	w.c.serv.HTTP = connector.Local{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "oauth") {
			w.fake.ServeHTTP(rw, r)
			return
		}
		_, _ = rw.Write([]byte(`{"result":[` + strings.TrimSuffix(one.String(), ",") + `],"next":1}`))
	})}
	for asked, want := range map[int]int{0: maxListed, maxListed + 1: maxListed, maxListed - 1: maxListed - 1} {
		if got := strings.Count(w.must("list", fmt.Sprintf(`{"method":"crm.lead.list","limit":%d}`, asked)), `"ID"`); got != want {
			t.Errorf("%d rows of %d", got, asked)
		}
	}
}

// TestRecordingLimit: one that is too long is not attached.
func TestRecordingLimit(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.files["c1"] = make([]byte, maxRecording+1)
	w.must("finishCall", `{"record":`+aRecord+`}`)
	w.clk.Advance(time.Minute)
	if got := w.asked(); !strings.HasSuffix(got, "finish") {
		t.Errorf("%s", got)
	}
}
