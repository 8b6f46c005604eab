package registration

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the transcripts anew")

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// TestTranscripts replays testdata/*.txt. A line "> [account] [+time] event
// key=value…" is an input; the lines below it are what the machine does: its
// effects, then phase and status. Timer events are inputs too, so that the
// transcript shows that they come when they were asked for.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(raw))
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(raw) {
				t.Fatalf("transcript differs; -update writes:\n%s", got)
			}
		})
	}
}

func replay(t *testing.T, script string) string {
	t.Helper()
	var out strings.Builder
	now := start
	states := map[string]State{}
	for _, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		if strings.HasPrefix(line, "#") || line == "" {
			fmt.Fprintln(&out, line)
			continue
		}
		words, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue // output of an earlier run
		}
		fmt.Fprintln(&out, line)
		account, e := parseEvent(t, words, &now)
		s, effects := Step(states[account], e)
		states[account] = s
		for _, f := range effects {
			fmt.Fprintln(&out, "  "+describe(f))
		}
		fmt.Fprintf(&out, "  %s %s: %s\n", now.Format("15:04:05"), s.Phase, s.Status(now))
	}
	return out.String()
}

func parseEvent(t *testing.T, line string, now *time.Time) (account string, e Event) {
	t.Helper()
	e.Roll = 0.5
	var words []string
	for _, w := range strings.Fields(line) {
		key, value, pair := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(w, "@"):
			account = w
		case strings.HasPrefix(w, "+"):
			*now = now.Add(duration(t, w[1:]))
		case !pair:
			words = append(words, w)
		case key == "wish":
			e.Wish = duration(t, value)
		case key == "granted":
			e.Granted = duration(t, value)
		case key == "min":
			e.MinExpires = duration(t, value)
		case key == "after":
			e.RetryAfter = duration(t, value)
		case key == "stale":
			e.Stale = value == "true"
		case key == "roll":
			e.Roll, _ = strconv.ParseFloat(value, 64)
		default:
			t.Fatalf("unknown word %q", w)
		}
	}
	e.At = *now
	kinds := map[string]EventKind{"start": Start, "timer": Timer, "lost": Lost, "nosecret": NoSecret, "stop": Stop, "moved": Moved}
	kind, known := kinds[words[0]]
	if e.Kind = kind; !known {
		e.Kind = Answer
		e.Code, _ = strconv.Atoi(words[0])
	}
	e.Reason = strings.Join(words[1:], " ")
	return account, e
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func describe(f Effect) string {
	switch f.Kind {
	case Send:
		return fmt.Sprintf("send expires %s", f.Expires)
	case Resend:
		return fmt.Sprintf("resend with credentials, expires %s", f.Expires)
	case Arm:
		return fmt.Sprintf("timer in %s", f.After)
	case Disarm:
		return "no timer"
	}
	return "tell"
}

func TestRefreshIsSpreadAndEarlyEnough(t *testing.T) {
	for _, granted := range []time.Duration{30 * time.Second, 60 * time.Second, 119 * time.Second, 2 * time.Minute, time.Hour} {
		lo, hi := refresh(granted, 0), refresh(granted, 0.999)
		if lo >= hi || lo < granted/2 || hi > granted*9/10 {
			t.Errorf("%s: between %s and %s", granted, lo, hi)
		}
	}
	if got := refresh(time.Second, 0); got != MinRefresh {
		t.Errorf("a registrar that grants a second is asked every %s", got)
	}
}

// TestMaxExpires: neither we nor the registrar make a registration longer.
func TestMaxExpires(t *testing.T) {
	s, out := Step(State{}, Event{Kind: Start, At: start, Wish: 2 * MaxExpires})
	if s.Wish != MaxExpires || len(out) == 0 || out[0].Expires != MaxExpires {
		t.Errorf("we ask for %s", s.Wish)
	}
	granted, _ := Step(s, Event{Kind: Answer, At: start, Code: 200, Granted: MaxExpires + time.Second})
	if got := granted.Until.Sub(start); got != MaxExpires {
		t.Errorf("it is believed for %s", got)
	}
	for least, raised := range map[time.Duration]bool{MaxExpires: true, MaxExpires + time.Second: false} {
		s, _ := Step(State{}, Event{Kind: Start, At: start, Wish: time.Hour})
		if s, _ = Step(s, Event{Kind: Answer, At: start, Code: 423, MinExpires: least}); (s.Wish == least) != raised {
			t.Errorf("at least %s: %+v", least, s)
		}
	}
}

func TestBackoffIsBounded(t *testing.T) {
	for failures := range 100 {
		for _, roll := range []float64{0, 0.5, 0.999} {
			got := backoff(RetryFirst, RetryMax, failures, roll)
			if got > RetryMax || got < RetryFirst*4/5 {
				t.Fatalf("failure %d, roll %v: %s", failures, roll, got)
			}
		}
	}
}

// FuzzStep sends any sequence of events: no panic, never two requests under
// way, a timer or a request is always there unless idle, and waits are bounded.
func FuzzStep(f *testing.F) {
	f.Add([]byte{0, 2, 1, 2, 5})
	f.Add([]byte{0, 3, 1, 12, 44, 5, 2})
	f.Fuzz(func(t *testing.T, script []byte) {
		codes := []int{200, 401, 403, 407, 423, 500, 503, 302, 100, 0}
		now := start
		var s State
		for i, b := range script {
			now = now.Add(time.Duration(b) * time.Second)
			e := Event{Kind: EventKind(b % 7), At: now, Roll: float64(b) / 256, Code: codes[int(b/6)%len(codes)],
				Granted: time.Duration(b) * time.Minute, MinExpires: time.Duration(b) * 10 * time.Minute,
				RetryAfter: time.Duration(b) * time.Hour, Stale: b&1 == 0, Wish: time.Duration(i) * time.Minute}
			var effects []Effect
			s, effects = Step(s, e)
			sends := 0
			for _, f := range effects {
				if f.Kind == Send || f.Kind == Resend {
					sends++
				}
				if f.Kind == Arm && (f.After < MinRefresh || f.After > MaxExpires) {
					t.Fatalf("timer in %s", f.After)
				}
			}
			if sends > 1 {
				t.Fatal("two requests at once")
			}
			if s.Phase != Idle && s.InFlight == !s.Next.IsZero() {
				t.Fatalf("stuck or doubly armed: %+v", s)
			}
			if s.Status(now) == "" {
				t.Fatal("no words")
			}
		}
	})
}
