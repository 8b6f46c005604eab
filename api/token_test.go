package api

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

// TestHintOfANarrowToken: a misspelt script is refused like any other that the
// token is not for, and the hint has the name that was meant.
func TestHintOfANarrowToken(t *testing.T) {
	few := Token{Name: "crm", Scripts: []string{"order", "reminder"}}
	many := Token{Name: "all", Scripts: strings.Split("aa bb cc dd ee ff gg hh ii jj kk ll", " ")}
	for _, c := range []struct {
		token        Token
		script, hint string
	}{
		{few, "ordr", "did you mean order? The token is for order, reminder (http.tokens.crm.scripts)"},
		{few, "payroll", "the token is for order, reminder (http.tokens.crm.scripts)"},
		{many, "payroll", "the token is for aa, bb, cc, dd, ee, ff, gg, hh, ii, jj, … (http.tokens.all.scripts)"},
	} {
		err := c.token.noScript(c.script)
		if fault.CodeOf(err) != fault.Denied || fault.HintOf(err) != c.hint || !strings.Contains(err.Error(), c.script) {
			t.Errorf("%s: %v, hint %q", c.script, err, fault.HintOf(err))
		}
		script := c.script
		if err := narrow(c.token, &script); fault.HintOf(err) != c.hint {
			t.Errorf("a list of %s: %v, hint %q", c.script, err, fault.HintOf(err))
		}
	}
}
