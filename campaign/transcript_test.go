package campaign_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// TestTranscripts runs testdata/transcripts/*.txt: a line is a command, the
// indented lines below it are what came of it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := transcribe(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s differs (-update rewrites it):\n%s", file, got)
			}
		})
	}
}

// script plays one transcript.
type script struct {
	*world
	out   bytes.Buffer
	spec  campaign.Spec
	shown int // of dialed
	gone  int // of closed
	quit  int // of gaveUp
	state string
}

func transcribe(t *testing.T, text string) string {
	s := &script{world: newWorld(t)}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&s.out, line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.do(line); err != nil {
			fmt.Fprintf(&s.out, "  error %s: %v\n", fault.CodeOf(err), err)
		}
		s.show()
	}
	return s.out.String()
}

func (s *script) say(format string, args ...any) {
	fmt.Fprintf(&s.out, "  "+format+"\n", args...)
}

// show tells what has happened since the last time.
func (s *script) show() {
	moscow := time.FixedZone("MSK", 3*3600)
	for ; s.shown < len(s.dialed); s.shown++ {
		a := s.dialed[s.shown]
		s.say("%s dial %s %s (%d of %d)", a.At.In(moscow).Format("02 15:04:05.00"), a.ID, a.To, a.N, a.Of)
	}
	for ; s.quit < len(s.gaveUp); s.quit++ {
		s.say("give up %s", s.gaveUp[s.quit])
	}
	for ; s.gone < len(s.closed); s.gone++ {
		k := s.closed[s.gone]
		s.say("closed %s %s %s", k.Key, k.Outcome, k.Reason)
	}
	if s.c == nil {
		return
	}
	row := s.c.Row()
	if state := strings.TrimSpace(string(row.State) + " " + row.Reason); state != s.state {
		s.state = state
		s.say("state %s", state)
	}
}

func (s *script) do(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "spec":
		if err := json.Unmarshal([]byte(rest), &s.spec); err != nil {
			return err
		}
		s.create(s.spec)
	case "add":
		return s.load(rest)
	case "stop":
		s.stop[rest] = nil
	case "lines":
		n, err := strconv.Atoi(rest)
		s.lines = &lines{free: n}
		return err
	case "caps":
		return json.Unmarshal([]byte(rest), &s.caps)
	case "start", "pause", "resume", "cancel":
		verbs := map[string]func() (campaign.Row, error){"start": s.c.Start, "pause": s.c.Pause, "resume": s.c.Resume, "cancel": s.c.Cancel}
		if _, err := verbs[verb](); err != nil {
			return err
		}
		s.step()
	case "patch":
		var p campaign.Patch
		if err := json.Unmarshal([]byte(rest), &p); err != nil {
			return err
		}
		_, err := s.c.Patch(p)
		s.step()
		return err
	case "remove":
		_, err := s.c.Remove(rest)
		s.step()
		return err
	case "clock":
		return s.pass(rest)
	case "end":
		return s.over(strings.Fields(rest))
	case "kill":
		s.reopen()
		s.step()
	case "disk":
		s.mem.Fail = nil
		if left, ok := strings.CutPrefix(rest, "full"); ok {
			writes, _ := strconv.Atoi(strings.TrimPrefix(left, " after "))
			s.mem.Fail = func() error {
				if writes--; writes >= 0 {
					return nil
				}
				return fault.New(fault.Unavailable, "the disk is full")
			}
		}
		s.step()
	default:
		return s.ask(verb, rest)
	}
	return nil
}

// ask is the commands that change nothing.
func (s *script) ask(verb, rest string) error {
	switch verb {
	case "why":
		w, err := s.c.Explain(rest)
		if err != nil {
			return err
		}
		s.say("%s: %s (%s, open %v, %d of %d) next %s", w.Code, w.Text, w.LocalTime, w.Open, w.Made, w.Allowed, stamp(w.Next))
	case "counts":
		raw, err := json.Marshal(s.c.Row().Counts)
		s.say("%s", raw)
		return err
	case "contact":
		k, err := s.c.Contact(rest)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(k.View())
		s.say("%s", raw)
		return err
	case "dry-run":
		d, err := s.c.DryRun(context.Background(), campaign.Assumptions{})
		if err != nil {
			return err
		}
		raw, err := json.Marshal(d)
		s.say("%s", raw)
		return err
	default:
		return errors.New("no such command")
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func (s *script) load(row string) error {
	r, err := campaign.Import(context.Background(), strings.NewReader(row), campaign.FormatNDJSON,
		campaign.ImportOptions{Country: "RU", Now: s.clk.now, Zone: "Europe/Moscow"}, s.c.Add)
	for _, bad := range r.Rejected {
		s.say("refused %s %s", bad.Code, bad.Message)
	}
	if r.Duplicates > 0 {
		s.say("duplicate")
	}
	s.step()
	return err
}

// pass lets time go by, stepping whenever the campaign has asked for it. A
// time in quotes is set at once, as by an administrator.
func (s *script) pass(text string) error {
	if text, ok := strings.CutPrefix(text, "set "); ok {
		t, err := time.Parse(time.RFC3339, text)
		s.clk.now = t
		s.step()
		return err
	}
	d, err := duration.Parse(strings.TrimPrefix(text, "+"))
	if err != nil {
		return err
	}
	for end := s.clk.now.Add(d); ; {
		s.step()
		if s.next.IsZero() || s.next.After(end) {
			s.clk.now = end
			s.step()
			return nil
		}
		s.clk.now = s.next
	}
}

// over ends a call: "end ID OUTCOME [key] [retry=1h|never] [result=JSON]".
func (s *script) over(words []string) error {
	i := slices.IndexFunc(s.calls, func(a campaign.Attempt) bool { return a.ID == words[0] })
	if i < 0 {
		return fmt.Errorf("no call %s", words[0])
	}
	r := campaign.Result{Outcome: campaign.Outcome(words[1])}
	r.Answered = slices.Contains([]campaign.Outcome{campaign.Delivered, campaign.AnsweredShort, campaign.Machine, campaign.Failed}, r.Outcome)
	for _, w := range words[2:] {
		switch name, value, _ := strings.Cut(w, "="); {
		case name == "key":
			r.Keyed = true
		case name == "retry" && value == "never":
			r.Retry = &campaign.Override{Never: true}
		case name == "retry":
			d, err := duration.Parse(value)
			if err != nil {
				return err
			}
			r.Retry = &campaign.Override{After: d}
		}
	}
	final := s.calls[i].Final(r)
	s.end(i, r)
	s.step()
	if final {
		s.say("that was the last attempt")
	}
	return nil
}
