package scripts

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

// show is a plan in one line: active, latest when it differs, pin and canary.
func show(p Plan) string {
	s := p.Active
	if p.Latest != p.Active {
		s += " latest " + p.Latest
	}
	if p.Pinned {
		s += " pinned"
	}
	if c := p.Canary; c != nil {
		s += fmt.Sprintf(" canary %q %d%% %d calls, given %d", c.Version, c.Percent, c.Calls, c.Given)
	}
	return s
}

// step carries one command of the tables out.
func step(p Plan, command string) (Plan, string) {
	word, rest, _ := strings.Cut(command, " ")
	var err error
	note := ""
	switch word {
	case "save":
		var s Step
		p, s = p.Saved(rest)
		note = string(s)
	case "call":
		note, p = p.Next()
	case "rollback":
		p, err = p.Rollback(rest)
	case "percent":
		p, err = p.Try("", number(rest), 0)
	case "calls":
		p, err = p.Try("", 0, number(rest))
	case "try":
		p, err = p.Try(rest, 50, 0)
	case "promote":
		p, err = p.Promote()
	case "drop":
		p, err = p.Drop()
	case "unpin":
		p, err = p.Unpin()
	}
	if err != nil {
		note = string(fault.CodeOf(err))
	}
	return p, note
}

func number(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}

func TestPlan(t *testing.T) {
	cases := []struct{ name, steps, notes, want string }{
		{"a save goes live", "save a; save b; call", "swap,swap,b", "b"},
		{"the same content again", "save a; save a", "swap,", "a"},
		{"roll back and stay", "save a; save b; rollback a; save c; call", "swap,swap,,hold,a", "a latest c pinned"},
		{"roll back to the one before", "save a; save b; rollback ", "swap,swap,", "a latest b pinned"},
		{"nothing to roll back to", "save a; rollback ", "swap,CONFLICT", "a"},
		{"unpin goes on with the newest", "save a; save b; rollback a; save c; unpin; save d", "swap,swap,,hold,,swap", "d"},
		{"unpin of what is not pinned", "save a; unpin", "swap,CONFLICT", "a"},
		{"a held save is told once", "save a; rollback a; save b; save b; save a", "swap,,hold,,", "a pinned"},
		{"pin, save, canary, promote", "save a; rollback a; save b; percent 50; call; call; promote", "swap,,hold,,a,b,", "b"},
		{"a canary waits for the next save", "save a; calls 2; call; save b; call; call; call", "swap,,a,canary,b,b,a", `a latest b canary "b" 0% 2 calls, given 2`},
		{"a canary keeps its version", "save a; calls 1; save b; save c; call", "swap,,canary,hold,b", `a latest c canary "b" 0% 1 calls, given 1`},
		{"a promoted version that is not the folder's is pinned", "save a; calls 1; save b; save c; promote", "swap,,canary,hold,", "b latest c pinned"},
		{"a dropped canary does not come back by itself", "save a; percent 10; save b; drop; call; save c", "swap,,canary,,a,hold", "a latest c pinned"},
		{"a waiting canary dropped changes nothing", "save a; percent 10; drop; save b", "swap,,,swap", "b"},
		{"an earlier version as the canary", "save a; save b; try a; call; call", "swap,swap,,b,a", `b canary "a" 50% 0 calls, given 1`},
		{"promote an earlier one", "save a; save b; try a; promote", "swap,swap,,", "a latest b pinned"},
		{"drop an earlier one", "save a; save b; try a; drop; save c", "swap,swap,,,swap", "c"},
		{"roll back ends the canary", "save a; percent 10; save b; rollback a; call", "swap,,canary,,a", "a latest b pinned"},
		{"the active one is no canary", "save a; try a", "swap,CONFLICT", "a"},
		{"nothing works yet", "percent 10", "CONFLICT", ""},
		{"no canary", "save a; promote; drop", "swap,CONFLICT,CONFLICT", "a"},
		{"promote before the save", "save a; percent 5; promote", "swap,,CONFLICT", `a canary "" 5% 0 calls, given 0`},
		{"unpin with a canary", "save a; rollback a; save b; percent 5; unpin", "swap,,hold,,CONFLICT", `a latest b pinned canary "b" 5% 0 calls, given 0`},
		{"all calls", "save a; percent 100", "swap,INVALID", "a"},
		{"too many calls", fmt.Sprint("save a; calls ", MaxCanaryCalls+1), "swap,INVALID", "a"},
		{"very many calls", fmt.Sprint("save a; calls ", MaxCanaryCalls), "swap,", fmt.Sprintf(`a canary "" 0%% %d calls, given 0`, MaxCanaryCalls)},
		{"no calls", "save a; calls 0; percent -1", "swap,INVALID,INVALID", "a"},
		{"a save back to the active content leaves the canary waiting", "save a; calls 1; save a; save b", "swap,,,canary", `a latest b canary "b" 0% 1 calls, given 0`},
	}
	for _, c := range cases {
		var p Plan
		var notes []string
		for _, s := range strings.Split(c.steps, "; ") {
			var note string
			p, note = step(p, s)
			notes = append(notes, note)
		}
		if got := strings.Join(notes, ","); got != c.notes || show(p) != c.want {
			t.Errorf("%s: %s → %s, want %s → %s", c.name, got, show(p), c.notes, c.want)
		}
	}
}

// TestCanaryShare: in every hundred calls the canary gets exactly its percent,
// and never two in a row below a half.
func TestCanaryShare(t *testing.T) {
	for percent := 1; percent <= MaxCanaryPercent; percent++ {
		p, err := Plan{Active: "a", Latest: "b"}.Try("b", percent, 0)
		if err != nil {
			t.Fatal(err)
		}
		row := 0
		for i := range 300 {
			var v string
			if v, p = p.Next(); v == "b" {
				row++
			} else {
				row = 0
			}
			if row > 1 && percent <= 50 {
				t.Fatalf("%d%%: two in a row", percent)
			}
			if (i+1)%100 == 0 && p.Canary.Given != percent*(i+1)/100 {
				t.Fatalf("%d%%: %d of %d", percent, p.Canary.Given, i+1)
			}
		}
		if p.Canary.Given+p.Canary.Others != 300 {
			t.Fatalf("%d%%: %+v", percent, p.Canary)
		}
	}
}

// TestPlanHolds walks at random: a script that is not held follows the folder,
// and whatever a step refuses it leaves alone.
func TestPlanHolds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"save ", "call", "rollback ", "percent 30", "calls 3", "try ", "promote", "drop", "unpin"}
	for range 200 {
		var p Plan
		var walk []string
		for range 30 {
			command := words[r.IntN(len(words))]
			if strings.HasSuffix(command, " ") {
				command += string(rune('a' + r.IntN(4)))
			}
			walk = append(walk, command)
			before := p
			var note string
			p, note = step(p, command)
			switch {
			case !p.Held() && p.Active != p.Latest && p.Latest != "":
				t.Fatalf("%q: %s", walk, show(p))
			case note == "CONFLICT" && show(before) != show(p):
				t.Fatalf("%q: refused, and yet %s became %s", walk, show(before), show(p))
			case p.Canary != nil && p.Canary.Version == p.Active && p.Active != "":
				t.Fatalf("%q: the canary is active: %s", walk, show(p))
			}
		}
	}
}
