package call

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// TestGatherTranscripts runs the pure machine over testdata/gather/*.txt. A
// line is a command with its effects indented below; -update writes the
// effects, and the diff is the review.
func TestGatherTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/gather/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := transcript(t, string(raw))
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(raw) {
				t.Fatalf("got:\n%s\nwant:\n%s", got, raw)
			}
		})
	}
}

func transcript(t *testing.T, script string) string {
	var out strings.Builder
	g := &gatherState{attempts: 1, bargeIn: true}
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		for _, e := range command(t, g, line) {
			out.WriteString("  " + e.String() + "\n")
		}
		if g.finished {
			fmt.Fprintf(&out, "  digits %q rest %q choice %q attempt %d\n", g.digits, g.rest(), g.plan.choice(g.digits), g.attempt)
			g = &gatherState{attempts: 1, bargeIn: true}
		}
	}
	return out.String()
}

// String is an effect as transcripts show it.
func (e gatherEffect) String() string {
	switch {
	case e.play != nil:
		return "play " + e.play.String()
	case e.stop:
		return "stop"
	case e.timer != "":
		return "timer " + e.timer
	}
	return "done " + string(e.done)
}

func command(t *testing.T, g *gatherState, line string) []gatherEffect {
	name, arg, _ := strings.Cut(line, " ")
	switch name {
	case "plan":
		plan(t, g, arg)
	case "start":
		used, refused := 0, false
		if rest, ok := strings.CutSuffix(arg, " refused"); ok {
			arg, refused, used = rest, true, 1
		}
		return g.start(strings.Trim(arg, "-"), used, refused)
	case "press":
		var all []gatherEffect
		for i := range len(arg) {
			all = append(all, g.digit(arg[i])...)
		}
		return all
	case "heard":
		return g.promptEnded()
	case "speaks":
		return g.speechBegan()
	case "said":
		return g.spoken(arg)
	case "late":
		return g.timeout()
	default:
		t.Fatalf("no command %q", line)
	}
	return nil
}

func plan(t *testing.T, g *gatherState, arg string) {
	for _, pair := range strings.Fields(arg) {
		name, value, _ := strings.Cut(pair, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "min":
			g.plan.min = n
		case "max":
			g.plan.max = n
		case "finish":
			g.plan.finishOn = value
		case "choices":
			g.plan.choices = strings.Split(value, ",")
		case "repeat":
			g.plan.repeat = value
		case "attempts":
			g.attempts = n
		case "bargein":
			g.bargeIn = value == "yes"
		default:
			t.Fatalf("no plan %q", pair)
		}
	}
}
