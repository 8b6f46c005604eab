package engine

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

func TestVMLimitsOfAScript(t *testing.T) {
	st, err := ParseStatic("a", json.RawMessage(`{"guard": "full", "limits": {"cpu": "100ms", "heap": "1GB", "timers": 5}}`))
	if err != nil || st.Guard != "full" {
		t.Fatal(err)
	}
	project := message.Limits{SliceCPU: 200 * time.Millisecond, Heap: 64 << 20, Timers: 1000, Requests: 64}
	want := project
	want.SliceCPU, want.Timers = 100*time.Millisecond, 5 // a script cannot ask for more heap than the project gives
	if got := stricter(project, st.limits); got != want {
		t.Fatalf("%+v", got)
	}
	if got := stricter(project, message.Limits{}); got != project {
		t.Fatalf("%+v", got)
	}
	for _, bad := range []string{
		`{"guard": "none"}`, `{"limits": {"cpu": "0s"}}`, `{"limits": {"heap": "much"}}`, `{"limits": {"stack": 1.5}}`, `{"limits": {"calls": 5}}`, `{"limits": {"cpu": 5}}`,
	} {
		if _, err := ParseStatic("a", json.RawMessage(bad)); fault.CodeOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
