package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/loopstart/loopstart/internal/fault"
)

// MaxProblems bounds the list of errors of one file.
const MaxProblems = 50

// Problems is every error of a config, in the order of the file.
type Problems []*fault.Error

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, e := range p {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the first fault, and with it the exit status.
func (p Problems) Unwrap() []error {
	out := make([]error, len(p))
	for i, e := range p {
		out[i] = e
	}
	return out
}

// ProblemsOf lists the faults inside err, for printing them one by one.
func ProblemsOf(err error) []*fault.Error {
	var all Problems
	if errors.As(err, &all) {
		return all
	}
	if one, ok := errors.AsType[*fault.Error](err); ok {
		return []*fault.Error{one}
	}
	return nil
}

// report collects problems; frames are drawn at the end, when all secrets of
// the file are known and can be masked.
type report struct {
	file    string // as shown: loopstart.yaml
	lines   []string
	found   []problem
	dropped int
	secrets []string // literal secrets of the source

	variables map[string]string // value of a ${VAR} → its name, to keep values out of messages
	blind     bool              // the source could not be parsed: what is a secret is guessed by lines
}

type problem struct {
	at            place
	message, hint string
}

func (r *report) add(at place, message, hint string) {
	if len(r.found) >= MaxProblems {
		r.dropped++
		return
	}
	r.found = append(r.found, problem{at, message, hint})
}

func (r *report) problems() error {
	if len(r.found) == 0 {
		return nil
	}
	slices.SortStableFunc(r.found, func(a, b problem) int {
		return cmp.Or(a.at.line-b.at.line, a.at.column-b.at.column, cmp.Compare(a.message, b.message))
	})
	var out Problems
	for _, p := range r.found {
		e := fault.New(fault.Invalid, "%s", r.nameless(p.message)).WithExit(fault.ExitConfig).At(r.where(p.at), r.frame(p.at))
		if p.hint != "" {
			e = e.WithHint("%s", r.nameless(p.hint))
		}
		out = append(out, e)
	}
	if r.dropped > 0 {
		out = append(out, fault.New(fault.Invalid, "config: %d more errors", r.dropped).WithExit(fault.ExitConfig))
	}
	return out
}

// nameless puts ${NAME} for the value of a variable, which may be a secret in
// the wrong key.
func (r *report) nameless(text string) string {
	for value, name := range r.variables {
		if len(value) >= minMasked {
			text = strings.ReplaceAll(text, value, "${"+name+"}")
		}
	}
	return text
}

// where is the place as text: file:line:col, or the variable's name.
func (r *report) where(at place) string {
	switch {
	case at.source != "" && at.line == 0:
		return at.source
	case at.source != "":
		return fmt.Sprintf("%s:%d:%d", at.source, at.line, at.column)
	case at.line == 0:
		return r.file
	}
	return fmt.Sprintf("%s:%d:%d", r.file, at.line, at.column)
}

// frame is the line of the place with two lines above it and a caret.
func (r *report) frame(at place) string {
	if at.source != "" || at.line < 1 || at.line > len(r.lines) {
		return ""
	}
	var b strings.Builder
	first := max(1, at.line-2)
	if r.blind {
		first = at.line
	}
	for n := first; n <= at.line; n++ {
		mark, column := " ", 0
		if n == at.line {
			mark, column = ">", at.column
		}
		text, caret := r.masked(n, column)
		fmt.Fprintf(&b, "%s %4d | %s\n", mark, n, text)
		if n == at.line {
			fmt.Fprintf(&b, "       | %s^", strings.Repeat(" ", caret))
		}
	}
	return b.String()
}

// secretKey finds the value of a key that may hold a secret, also in a line
// that could not be parsed and behind a misspelt key.
var secretKey = regexp.MustCompile(`(?i)\b[\w-]*(?:pass|pwd|secret|token|key)[\w-]*["']?\s*:\s*((?:\$\{[^}]*\}|[^,}\s#{])(?:\$\{[^}]*\}|[^,}\n])*)`)

// anyValue is what stands behind the first colon of a line.
var anyValue = regexp.MustCompile(`:\s+(\S.*)`)

// secretSection begins a map or list whose values are all secrets.
var secretSection = regexp.MustCompile(`^\s*(?:secrets|tokens)\s*:`)

// envReference is a value that is a variable, which is no secret itself.
var envReference = regexp.MustCompile(`^["']?\$\{[^}]*\}["']?\s*$`)

// masked is line n with *** for what may be a secret; caret is where the
// column (1-based, in characters; 0: none) is in the result.
func (r *report) masked(n, column int) (text string, caret int) {
	line := r.lines[n-1]
	offset := byteOffset(line, column-1)
	var spans [][2]int
	for _, m := range secretKey.FindAllStringSubmatchIndex(line, -1) {
		if !envReference.MatchString(line[m[2]:m[3]]) {
			spans = append(spans, [2]int{m[2], m[3]})
		}
	}
	if m := anyValue.FindStringSubmatchIndex(line); m != nil && r.blind && r.inSecrets(n) {
		spans = append(spans, [2]int{m[2], m[3]})
	}
	for _, secret := range r.secrets {
		for from := 0; ; {
			i := strings.Index(line[from:], secret)
			if i < 0 {
				break
			}
			spans = append(spans, [2]int{from + i, from + i + len(secret)})
			from += i + len(secret)
		}
	}
	return replaceSpans(line, spans, offset)
}

// inSecrets tells whether line n stands in a section of secrets, by
// indentation.
func (r *report) inSecrets(n int) bool {
	indent := len(r.lines[n-1]) + 1
	for ; n >= 1; n-- {
		line := r.lines[n-1]
		own := len(line) - len(strings.TrimLeft(line, " "))
		if strings.TrimSpace(line) == "" || own >= indent {
			continue
		}
		if secretSection.MatchString(line) {
			return true
		}
		indent = own
	}
	return false
}

func replaceSpans(line string, spans [][2]int, offset int) (text string, caret int) {
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var b strings.Builder
	caret, done := -1, 0
	for _, s := range append(spans, [2]int{len(line), len(line)}) {
		if s[0] < done { // overlaps the one before
			done = max(done, s[1])
			continue
		}
		if caret < 0 && offset <= s[0] {
			caret = utf8.RuneCountInString(b.String()) + utf8.RuneCountInString(line[done:max(done, offset)])
		}
		b.WriteString(line[done:s[0]])
		if s[1] > s[0] {
			b.WriteString(mask)
		}
		done = s[1]
	}
	return strings.ReplaceAll(b.String(), "\t", " "), max(caret, 0)
}

// byteOffset is the index of the n-th character of the line.
func byteOffset(line string, n int) int {
	for i := range line {
		if n <= 0 {
			return i
		}
		n--
	}
	return len(line)
}
