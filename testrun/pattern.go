package testrun

import (
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

// pattern is a text or a regular expression of JavaScript.
type pattern struct {
	Text   string `json:"text"`
	Source string `json:"source"`
	Flags  string `json:"flags"`

	re *regexp2.Regexp
}

// matchTime bounds one match: an expression may take for ever.
const matchTime = time.Second

// compile gets the pattern ready.
func (p *pattern) compile() error {
	if p.Text != "" {
		return nil
	}
	options := regexp2.RegexOptions(regexp2.ECMAScript)
	for _, f := range p.Flags {
		switch f {
		case 'i':
			options |= regexp2.IgnoreCase
		case 'm':
			options |= regexp2.Multiline
		case 's':
			options = options&^regexp2.ECMAScript | regexp2.Singleline // ECMAScript does not know it
		case 'u', 'v':
			options |= regexp2.Unicode
		}
	}
	re, err := regexp2.Compile(p.Source, options)
	if err != nil {
		return fault.New(fault.Invalid, "the expression /%s/%s: %w", p.Source, p.Flags, err)
	}
	re.MatchTimeout = matchTime
	p.re = re
	return nil
}

// find is where the first match ends, in characters; ok is false without one.
func (p *pattern) find(text string) (end int, ok bool) {
	if p.Text != "" {
		i := strings.Index(strings.ToLower(text), strings.ToLower(p.Text))
		if i < 0 {
			return 0, false
		}
		return len([]rune(strings.ToLower(text)[:i])) + len([]rune(p.Text)), true
	}
	m, err := p.re.FindStringMatch(text)
	if err != nil || m == nil {
		return 0, false
	}
	return m.RuneIndex + m.RuneLength, true
}

// address tells whether a URL fits: the whole of it with or without its
// query, or any part for an expression.
func (p *pattern) address(url string) bool {
	if p.Text != "" {
		return url == p.Text || bare(url) == p.Text
	}
	_, ok := p.find(url)
	return ok
}

func (p *pattern) String() string {
	if p.Text != "" {
		return `"` + p.Text + `"`
	}
	return "/" + p.Source + "/" + p.Flags
}

// span is a duration of the public surface.
type span time.Duration

// UnmarshalJSON reads "5s" or milliseconds.
func (s *span) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	d, err := duration.Parse(strings.Trim(string(b), `"`))
	if err != nil {
		return fault.New(fault.Invalid, "%w", err).WithHint(`write "5s", "1m30s", "80ms" or a number of milliseconds`)
	}
	*s = span(d)
	return nil
}

// or is the duration, or another one when it was not given.
func (s span) or(d time.Duration) time.Duration {
	if s == 0 {
		return d
	}
	return time.Duration(s)
}
