package testrun

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// TestStageLimits: what one test may make and say.
func TestStageLimits(t *testing.T) {
	s, err := newStage(settingOf(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	h := &host{stage: s}
	for i := range MaxAgents + 1 {
		if _, err := s.addAgent(pattern{Text: "wss://a.test"}); (fault.CodeOf(err) == fault.Limit) != (i == MaxAgents) {
			t.Fatalf("server %d: %v", i+1, err)
		}
	}
	c := &agentConn{agent: s.agents[0]}
	for range MaxAgentMessages + 1 {
		if err := c.Write(t.Context(), false, []byte(`{"event":"other"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.agents[0].messages); n != MaxAgentMessages {
		t.Errorf("%d messages are kept", n)
	}
	for i := range MaxASRMocks + 1 {
		if _, err := h.asrOn(json.RawMessage(`{"what":{"text":"a"},"text":"b"}`)); (fault.CodeOf(err) == fault.Limit) != (i == MaxASRMocks) {
			t.Fatalf("mock %d: %v", i+1, err)
		}
	}
	for range maxLines + 1 {
		s.note("x")
		s.print("x")
	}
	if len(s.lines) != maxLines || len(s.printed) != maxLines {
		t.Errorf("%d and %d lines", len(s.lines), len(s.printed))
	}
}

// TestVirtualTimeEnds: what happens in the last moment happens, what is beyond it
// does not.
func TestVirtualTimeEnds(t *testing.T) {
	for extra, code := range map[time.Duration]fault.Code{0: "", time.Second: fault.Limit} {
		s, err := newStage(settingOf(t))
		if err != nil {
			t.Fatal(err)
		}
		s.close() // what else it waits for would come first
		over := false
		s.clk.AfterFunc(begin(s.zone).Add(MaxVirtual).Sub(s.clk.Now())+extra, func() { over = true })
		if err := s.drive(t.Context(), s.lastMoment(), func() bool { return over }); fault.CodeOf(err) != code || err != nil && !strings.Contains(err.Error(), "limit virtual") {
			t.Errorf("%s beyond it: %v", extra, err)
		}
	}
}

func TestFilesLimit(t *testing.T) {
	dir := t.TempDir()
	for i := range MaxFiles + 1 {
		if i == MaxFiles {
			if names, err := discover(dir); err != nil || len(names) != MaxFiles {
				t.Fatalf("%d files, %v", len(names), err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("t%d.test.ts", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := discover(dir); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
}
