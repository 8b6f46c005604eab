package engine

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
)

// TestListPagesThroughCallsInProgress asks for less than there is, and by time.
func TestListPagesThroughCallsInProgress(t *testing.T) {
	p := serve(t, "", map[string]string{"wait.js": `export default async (call) => { await call.answer(); await call.play("silence:30s"); }`})
	list := func(q api.Query) ([]call.Record, string) {
		t.Helper()
		rows, next, err := (*surface)(p.Engine).List(q)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]call.Record, len(rows))
		for i, raw := range rows {
			if err := json.Unmarshal(raw, &out[i]); err != nil {
				t.Fatal(err)
			}
		}
		return out, next
	}
	for range 3 {
		go func() { // ends with the calls
			_, _ = Call(t.Context(), CallerOptions{Target: "sip:wait@" + p.SIPAddr(), Log: slog.New(slog.DiscardHandler)})
		}()
	}
	eventually(t, "three calls", func() bool { rows, _ := list(api.Query{State: stateTalking, Limit: 10}); return len(rows) == 3 })

	seen := map[string]bool{}
	cursor := ""
	for page := 0; page == 0 || cursor != ""; page++ {
		rows, next := list(api.Query{Limit: 2, Cursor: cursor})
		if len(rows) > 2 || page > 3 {
			t.Fatalf("page %d has %d calls", page, len(rows))
		}
		for _, r := range rows {
			seen[r.ID] = true
			if r.Final || !r.EndedAt.IsZero() || r.Cause != "" {
				t.Errorf("a call in progress is shown as over: %+v", r)
			}
		}
		cursor = next
	}
	if len(seen) != 3 {
		t.Errorf("seen on all pages: %v", seen)
	}
	later := time.Now().Add(time.Hour)
	if rows, _ := list(api.Query{Limit: 10, Since: later}); len(rows) != 0 {
		t.Errorf("since later: %+v", rows)
	}
	if rows, _ := list(api.Query{Limit: 10, Until: later.Add(-2 * time.Hour)}); len(rows) != 0 {
		t.Errorf("until earlier: %+v", rows)
	}
	for id := range seen {
		if err := p.CancelOrder(orderOf(id)); err != nil {
			t.Error(err)
		}
	}
	p.last(t, 3)
}
