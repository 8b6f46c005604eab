package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/jslex"
	"github.com/loopstart/loopstart/internal/suggest"
	callscript "github.com/loopstart/loopstart/stdlib/call/script"
)

// What only looks wrong: verbs that nobody awaits, misspelt options, menus that
// say nothing to who presses nothing, secrets in a source.

// waitingExports are functions of built-in modules whose result must be awaited.
var waitingExports = []string{
	"loopstart:core.sleep", "loopstart:core.lock", "loopstart:call.dial",
}

// waitingMembers are methods of exported objects that must be awaited.
var waitingMembers = map[string][]string{
	"loopstart:core.kv":      {"set", "delete", "increment", "compareAndSet", "update"},
	"loopstart:core.webhook": {"deliver"},
}

// unawaited looks at the call of token i, whose expression begins at token from.
func (s *source) unawaited(from, i int, what string) {
	if !s.tok(i+1).Is("(") || !s.statement(from) {
		return
	}
	end := s.closing(i + 1)
	if next := s.tok(end + 1); end < 0 || next.Is(".") || next.Is("?.") || next.Is("&&") || next.Is("||") || next.Is("??") || next.Is(",") {
		return
	}
	s.find(s.tokens[from], Finding{Level: LevelWarning, Message: what + " is not awaited: the script goes on before it is done",
		Hint: fmt.Sprintf("write await %s(…), or void %s(…) if it is meant to go on meanwhile", what, what)})
}

// statement reports whether a statement begins at token i.
func (s *source) statement(i int) bool {
	t, before := s.tok(i), s.tok(i-1)
	switch {
	case i == 0 || before.Is(";") || before.Is("{") || before.Is("}") || before.Is("else"):
		return true
	case before.Is(")"):
		// The head of an if or a loop, or a statement that ends without a semicolon.
		return true
	}
	plain := before.Kind == jslex.Text || before.Kind == jslex.Word && !slices.Contains(goesOn, before.Value) || before.Is("]")
	return plain && before.Line < t.Line
}

// goesOn are words behind which an expression goes on in the next line.
var goesOn = []string{"await", "return", "void", "yield", "typeof", "in", "of", "new", "case", "throw", "delete", "export", "default", "const", "let", "var"}

// closing is the token that closes the bracket at token i, -1 if none does.
func (s *source) closing(i int) int {
	depth := 0
	for j := i; j < min(len(s.tokens), i+maxSpan); j++ {
		switch t := s.tokens[j]; {
		case t.Is("(") || t.Is("{") || t.Is("["):
			depth++
		case t.Is(")") || t.Is("}") || t.Is("]"):
			if depth--; depth == 0 {
				return j
			}
		}
	}
	return -1
}

// argument is the first token of an argument of the call whose bracket is at
// token i, -1 if there are fewer.
func (s *source) argument(i, number int) int {
	end := s.closing(i)
	for j := i + 1; j < end; j++ {
		switch t := s.tokens[j]; {
		case number == 0:
			return j
		case t.Is("(") || t.Is("{") || t.Is("["):
			if j = s.closing(j); j < 0 {
				return -1
			}
		case t.Is(","):
			number--
		}
	}
	return -1
}

// misspelt compares the names of an options object with those of the verb at
// token i.
func (s *source) misspelt(i int) {
	verb := s.tokens[i].Value
	number, known, ok := callscript.OptionsOf(verb)
	if !ok || !s.tok(i+1).Is("(") {
		return
	}
	open := s.argument(i+1, number)
	if open < 0 || !s.tok(open).Is("{") || verb == "say" && number == 0 {
		return
	}
	for _, j := range s.names(open) {
		name := s.tok(j).Value
		if slices.Contains(known, name) {
			continue
		}
		f := Finding{Level: LevelError, Message: fmt.Sprintf("%s has no option %s", verb, name), Hint: "the options are " + strings.Join(known, ", ")}
		if near := suggest.Nearest(name, known); near != "" {
			f.Hint = "did you mean " + near + "?"
		}
		s.find(s.tok(j), f)
	}
}

// names are the tokens of the names in the object whose brace is at token open.
func (s *source) names(open int) []int {
	end := s.closing(open)
	var out []int
	begins := true
	for j := open + 1; j < end; j++ {
		t := s.tokens[j]
		switch {
		case t.Is("..."):
			begins = false
		case t.Is(","):
			begins = true
			continue
		case begins && t.Kind == jslex.Word && (t.Is("async") || t.Is("get")) && s.tok(j+1).Kind == jslex.Word:
			continue
		case begins && (t.Kind == jslex.Word || t.Kind == jslex.Text):
			if next := s.tok(j + 1); next.Is(":") || next.Is(",") || next.Is("}") || next.Is("(") {
				out = append(out, j)
			}
		case t.Is("(") || t.Is("{") || t.Is("["):
			if j = s.closing(j); j < 0 {
				return out
			}
		}
		begins = false
	}
	return out
}

// shapes are texts that are secrets wherever they stand.
var shapes = []*regexp.Regexp{
	regexp.MustCompile(`^(sk|rk|pk)_(live|test)_[0-9A-Za-z]{16,}`), regexp.MustCompile(`^(AKIA|ASIA)[0-9A-Z]{16}$`),
	regexp.MustCompile(`^gh[pousr]_[0-9A-Za-z]{30,}`), regexp.MustCompile(`^xox[abprs]-[0-9A-Za-z-]{10,}`), regexp.MustCompile(`^sk-[0-9A-Za-z_-]{20,}`),
	regexp.MustCompile(`^[0-9]{8,10}:[0-9A-Za-z_-]{30,}$`), regexp.MustCompile(`^eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.`),
	regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`), regexp.MustCompile(`(?i)^(bearer|basic) [0-9A-Za-z._~+/=-]{16,}$`),
	regexp.MustCompile(`(?i)^https?://[^/\s:@]+:[^/\s:@]+@`), regexp.MustCompile(`/rest/[0-9]+/[0-9a-z]{14,}/?`),
}

// secretName is a name whose value is a secret.
var secretName = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key|access_?key|private_?key)$`)

// secretValue is a text that may be one: no words, no address.
var secretValue = regexp.MustCompile(`^[0-9A-Za-z._~+/=!@#$%^&*-]{8,}$`)

// hidden looks for a secret at the text of token i. No frame is shown: it would
// print it once more.
func (s *source) hidden(i int) {
	t := s.tok(i)
	if t.Kind != jslex.Text {
		return
	}
	found := slices.ContainsFunc(shapes, func(r *regexp.Regexp) bool { return r.MatchString(t.Value) })
	name, sign := s.tok(i-2), s.tok(i-1)
	if named := secretName.MatchString(name.Value) && (sign.Is(":") || sign.Is("=")); !found && named && !s.withinHook(i) {
		found = secretValue.MatchString(t.Value) && strings.ContainsAny(t.Value, "0123456789") && strings.Trim(t.Value, "0123456789.-") != ""
	}
	if !found {
		return
	}
	f := s.finding(t, Finding{Level: LevelWarning, Message: "this looks like a secret: whoever reads the script has it",
		Hint: `put it into .env, name it in secrets of loopstart.yaml, and write secrets.get("NAME") of loopstart:core`})
	f.Frame = ""
	s.add(*f)
}

// withinHook reports whether token i stands in hook: { … } of config, which is a
// constant.
func (s *source) withinHook(i int) bool {
	for j, depth := i, 0; j > max(0, i-maxSpan); j-- {
		switch t := s.tokens[j]; {
		case t.Is("}"):
			depth++
		case t.Is("{"):
			if depth--; depth < 0 {
				return s.tok(j-1).Is(":") && s.tok(j-2).Is("hook")
			}
		}
	}
	return false
}

// fallbackSteps looks at the steps of config.fallback, whose list is at token i.
func (s *source) fallbackSteps(i int) {
	end := s.closing(i)
	for j := i; j < end; j++ {
		if s.tok(j).Is("connect") && s.tok(j+1).Is(":") {
			s.targets(j + 2)
		}
	}
}

// scriptReaders take the name of a script first, or as the option script.
var scriptReaders = []string{"loopstart:flow.start", "loopstart:flow.signal", "loopstart:campaign.schedule"}

// script checks the name of a script that the call at token i gives.
func (s *source) script(i int) {
	first := s.argument(i+1, 0)
	if s.tok(first).Is("{") {
		for _, j := range s.names(first) {
			if s.tok(j).Value == "script" && s.tok(j+1).Is(":") {
				s.scriptName(j + 2)
			}
		}
		return
	}
	s.scriptName(first)
}

func (s *source) scriptName(i int) {
	var names []string
	for _, e := range s.entries {
		names = append(names, e.Name)
	}
	if next := s.tok(i + 1); next.Is(",") || next.Is(")") || next.Is("}") {
		s.known(s.tok(i), "script", "the scripts folder, not", names)
	}
}
