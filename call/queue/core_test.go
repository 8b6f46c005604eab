package queue

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

var update = flag.Bool("update", false, "rewrite the transcripts")

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// sheet is a core that is driven by lines of a transcript.
type sheet struct {
	core   *Core
	now    time.Time
	reach  map[string]Reach
	shut   map[string]bool
	names  map[string]ID
	byID   map[ID]string
	groups []Group
	skills map[string]map[string]int
}

func newSheet() *sheet {
	s := &sheet{now: start, reach: map[string]Reach{}, shut: map[string]bool{}, names: map[string]ID{}, byID: map[ID]string{}, skills: map[string]map[string]int{}}
	s.core = New(Outside{
		Reach: func(a string) Reach { return s.reach[a] }, Open: func(g string) bool { return !s.shut[g] },
		Day: func(t time.Time) string { return t.Format(time.DateOnly) },
	})
	return s
}

// do carries out one command and says what came of it.
func (s *sheet) do(t *testing.T, line string) (out []string) {
	t.Helper()
	f := strings.Fields(line)
	arg := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	c := s.core
	switch f[0] {
	case "group": // name ring members wrap each max pause
		g := Group{Name: f[1], Ring: f[2], Members: strings.Split(f[3], ","), Each: 20 * time.Second, MaxWaiting: 30, PauseAfter: 3, ServiceLevel: 20 * time.Second}
		for _, o := range f[4:] {
			name, value, _ := strings.Cut(o, "=")
			switch name {
			case "wrap":
				g.WrapUp, _ = time.ParseDuration(value)
			case "max":
				g.MaxWaiting, _ = strconv.Atoi(value)
			}
		}
		s.groups = append(s.groups, g)
		c.Configure(s.now, s.groups, s.skills)
	case "skills": // agent ru=1,billing=2
		s.skills[f[1]] = levels(f[2])
		c.Configure(s.now, s.groups, s.skills)
	case "enter": // who group [prio=n] [skills=a=1]
		r := Request{Group: f[2], Call: f[1], From: "+7916" + f[1]}
		for _, o := range f[3:] {
			name, value, _ := strings.Cut(o, "=")
			switch name {
			case "prio":
				r.Priority, _ = strconv.Atoi(value)
			case "skills":
				r.Skills = levels(value)
			case "back":
				r.Back = true
			}
		}
		id, status := c.Enter(s.now, r)
		if status != "" {
			out = append(out, "status "+status)
		}
		s.names[f[1]], s.byID[id] = id, f[1]
	case "leave":
		c.Leave(s.now, s.names[f[1]], arg(2))
	case "fail":
		c.Failed(s.now, s.names[f[1]], f[2], f[3])
	case "answer":
		c.Answered(s.names[f[1]], f[2])
	case "talk":
		c.Talking(s.now, s.names[f[1]], f[2])
	case "over":
		c.Over(s.now, s.names[f[1]])
	case "prio":
		n, _ := strconv.Atoi(f[2])
		c.SetPriority(s.names[f[1]], n)
	case "state":
		c.SetState(s.now, f[1], f[2])
	case "reach":
		s.reach[f[1]] = Reach(strings.TrimSuffix(arg(2), "free"))
	case "close", "open":
		s.shut[f[1]] = f[0] == "close"
	case "pass":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			t.Fatal(err)
		}
		return s.pass(s.now.Add(d))
	case "show":
		st, _ := c.State(s.now, f[1])
		for _, w := range st.Waiting {
			out = append(out, fmt.Sprintf("%d. %s %dms %s", w.Position, w.Call, w.WaitMs, strings.Join(w.Ringing, ",")))
		}
		for _, m := range st.Members {
			out = append(out, strings.TrimSpace(m.Name+" "+m.State+" "+m.Reason))
		}
	case "figures":
		d, _ := c.Today(s.now, f[1])
		out = append(out, fmt.Sprintf("%+v", d))
	case "expect":
		n, _ := strconv.Atoi(f[2])
		d, known := c.Expected(s.now, f[1], n)
		out = append(out, fmt.Sprint(d, " ", known))
	case "others":
		out = append(out, c.Others(s.now, s.names[f[1]]))
	default:
		t.Fatalf("no command %q", line)
	}
	return append(out, s.settle()...)
}

func levels(list string) map[string]int {
	out := map[string]int{}
	for _, one := range strings.Split(list, ",") {
		name, level, _ := strings.Cut(one, ":")
		out[name], _ = strconv.Atoi(level)
		out[name] = max(out[name], 1)
	}
	return out
}

func (s *sheet) settle() (out []string) {
	s.core.Look(s.now)
	effects, events := s.core.Drain()
	for _, e := range effects {
		if e.Stop {
			out = append(out, "stop "+e.Agent+" for "+s.byID[e.ID])
		} else {
			out = append(out, "ring "+e.Agent+" for "+s.byID[e.ID]+" ("+e.Why+")")
		}
	}
	for _, e := range events {
		if strings.HasPrefix(e.Type, "agent.") && e.Type != "agent.ringing" {
			out = append(out, strings.TrimSpace("event "+e.Type+" "+e.Agent+" "+e.Reason))
		}
	}
	return out
}

// pass lets time go by from one moment at which the core wants to be looked at
// to the next.
func (s *sheet) pass(until time.Time) (out []string) {
	for {
		at, ok := s.core.Next(s.now)
		if !ok || at.After(until) {
			s.now = until
			return append(out, s.settle()...)
		}
		s.now = at
		for _, l := range s.settle() {
			out = append(out, fmt.Sprintf("%s %s", s.now.Sub(start), l))
		}
	}
}

// TestTranscripts drives the core by testdata/*.txt: a command a line, what
// came of it indented below.
func TestTranscripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, out := newSheet(), ""
			for _, line := range strings.Split(strings.TrimRight(string(raw), "\n"), "\n") {
				if strings.HasPrefix(line, "  ") {
					continue
				}
				out += line + "\n"
				if line == "" || line[0] == '#' {
					continue
				}
				for _, l := range s.do(t, line) {
					out += "  " + l + "\n"
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if out != string(raw) {
				t.Errorf("%s has changed:\n%s\nwant\n%s", file, out, raw)
			}
		})
	}
}
