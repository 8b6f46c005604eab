package testrun

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/sip"
)

func TestMoment(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		t.Fatal(err)
	}
	now := begin(zone) // Monday, 12 January 2026, 10:00
	for text, want := range map[string]string{
		"18:30": "2026-01-12T18:30:00+03:00", "9:00": "2026-01-13T09:00:00+03:00", "10:00": "2026-01-12T10:00:00+03:00",
		"today 11:00": "2026-01-12T11:00:00+03:00", "Tomorrow  10:00": "2026-01-13T10:00:00+03:00", "monday 9:00": "2026-01-19T09:00:00+03:00",
		"sun 23:59:59": "2026-01-18T23:59:59+03:00", "2026-03-01 10:00": "2026-03-01T10:00:00+03:00", "2026-03-01": "2026-03-01T00:00:00+03:00",
		"2026-01-12T09:00:00Z": "2026-01-12T09:00:00Z",
	} {
		got, err := moment(text, now, zone)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v, want %s", text, got.Format(time.RFC3339), err, want)
		}
	}
	for _, text := range []string{"", "soon", "25:00", "today 9:00", "2020-01-01", "yesterday 10:00", "tomorrow"} {
		if got, err := moment(text, now, zone); fault.CodeOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func FuzzMoment(f *testing.F) {
	f.Add("tomorrow 10:00")
	f.Add("2026-03-01 10:00")
	now := begin(time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := moment(text, now, time.UTC); err == nil && at.Before(now) {
			t.Errorf("%q is %s, which is past", text, at)
		}
	})
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		p    pattern
		text string
		end  int
		ok   bool
	}{
		{pattern{Text: "Мир"}, "Привет, мир!", 11, true}, {pattern{Text: "x"}, "Привет", 0, false},
		{pattern{Source: "мир", Flags: "i"}, "Привет, МИР!", 11, true}, {pattern{Source: `а(?=б)`}, "ааб", 2, true},
		{pattern{Source: `^\d+$`}, "12a", 0, false}, {pattern{Source: "а.в", Flags: "s"}, "а\nв", 3, true},
	} {
		if err := c.p.compile(); err != nil {
			t.Fatal(err)
		}
		if end, ok := c.p.find(c.text); end != c.end || ok != c.ok {
			t.Errorf("%s in %q: %d, %v", &c.p, c.text, end, ok)
		}
	}
	bad := pattern{Source: "("}
	if err := bad.compile(); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a broken expression: %v", err)
	}
	url := pattern{Text: "https://a.ru/x"}
	if !url.address("https://a.ru/x?y=1") || url.address("https://a.ru/x/z") {
		t.Error("a text is the whole address, with or without its query")
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{`"5s"`: 5 * time.Second, `1500`: 1500 * time.Millisecond, `null`: 0} {
		var s span
		if err := json.Unmarshal([]byte(text), &s); err != nil || time.Duration(s) != want {
			t.Errorf("%s: %s, %v", text, time.Duration(s), err)
		}
	}
	var s span
	if err := json.Unmarshal([]byte(`"soon"`), &s); fault.HintOf(err) == "" {
		t.Errorf("no duration: %v", err)
	}
}

func TestSnapshots(t *testing.T) {
	dir := t.TempDir()
	open := func(update bool) *snapshots { return &snapshots{update: update, used: map[string]string{}} }
	s := open(false)
	if err := s.compare(dir, "звонок, 1!", "one\ntwo\n"); err != nil || len(s.written) != 1 {
		t.Fatalf("the first time: %v, %v", err, s.written)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, snapshotDir, "звонок_1.txt")); err != nil || string(raw) != "one\ntwo\n" {
		t.Errorf("%q, %v", raw, err)
	}
	err := open(false).compare(dir, "звонок, 1!", "one\n2\n")
	if err == nil || fault.HintOf(err) == "" || err.Error() != "the timeline is not that of __snapshots__/звонок_1.txt:\n  - two\n  + 2" {
		t.Errorf("another timeline: %v", err)
	}
	s = open(true)
	if err := s.compare(dir, "звонок, 1!", "one\n2\n"); err != nil || len(s.changed) != 1 {
		t.Errorf("update: %v", err)
	}
	if err := s.compare(dir, "звонок 1", "x"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("two names of one file: %v", err)
	}
}

func TestLocksInLine(t *testing.T) {
	s, err := newStage(settingOf(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if ok, err := s.engine.KV().CompareAndSet("a", nil, json.RawMessage("1"), 0); !ok || err != nil {
		t.Errorf("the store: %v, %v", ok, err)
	}
	l := newLocks(s.clk, s.closing)
	s.clk.Busy(1)
	if err := l.Lock(t.Context(), "k", time.Minute, "a"); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	s.clk.Busy(1)
	go func() {
		err := l.Lock(t.Context(), "k", time.Minute, "b")
		s.clk.Busy(-1)
		got <- err
	}()
	s.clk.Busy(-1)
	s.clk.Advance(59 * time.Second)
	if len(got) > 0 {
		t.Error("b has the lease before its time")
	}
	s.clk.Advance(time.Second) // a's has expired
	if err := <-got; err != nil {
		t.Error(err)
	}
	if held, _ := l.Release("k", "a"); held {
		t.Error("a still holds it")
	}
	if held, _ := l.Release("k", "b"); !held {
		t.Error("b does not hold it")
	}
}

func settingOf(t *testing.T) setting {
	t.Helper()
	r, err := newRunner(Options{Config: load(t, "testdata/project")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(r.dir) })
	return r.setting
}

func TestLimits(t *testing.T) {
	s, err := newStage(settingOf(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for range MaxMocks {
		if _, err := s.web.on("GET", pattern{Text: "https://a.ru"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.web.on("GET", pattern{Text: "https://a.ru"}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("one mock too many: %v", err)
	}
	for range MaxRequests + 1 {
		s.web.take(netx.Request{Method: "GET"}, "https://a.ru")
	}
	if n := len(s.web.requests(nil)); n != MaxRequests {
		t.Errorf("%d requests are recorded", n)
	}
	s.made = MaxCalls
	if _, err := s.line.Dial(sip.Outgoing{Target: sip.Target{User: "101"}}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("one call too many: %v", err)
	}
}
