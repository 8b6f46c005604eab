package phone

import (
	"regexp"
	"strings"
)

// inText is what looks like a number in a text: digits, grouped by blanks,
// hyphens and brackets.
var inText = regexp.MustCompile(`\+?\d[\d ()-]{5,18}\d`)

// date is a date that would pass for a number.
var date = regexp.MustCompile(`^(?:\d{4}-\d{2}-\d{2}|\d{2}-\d{2}-\d{4})(?:$|[ T])`)

// MaskText hides the phone numbers in a text for people: of each only what Mask
// leaves. Dates stay; so do digits that are part of a word, such as an id.
func MaskText(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range inText.FindAllStringIndex(text, -1) {
		s := text[at[0]:at[1]]
		if date.MatchString(s) || inWord(text, at[0], at[1]) {
			continue
		}
		digits := strings.Map(func(r rune) rune {
			if r == '+' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, s)
		if len(digits) < ShortestFull {
			continue
		}
		b.WriteString(text[last:at[0]])
		b.WriteString(Mask(digits))
		last = at[1]
	}
	if last == 0 {
		return text
	}
	b.WriteString(text[last:])
	return b.String()
}

// run is a number written without gaps: with its plus, or ten digits and more.
var run = regexp.MustCompile(`\+\d{7,15}|\d{10,15}`)

// MaskRuns is MaskText for texts of the house, where ranges of ports, sizes and
// dates are no numbers: only digits without gaps are hidden.
func MaskRuns(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range run.FindAllStringIndex(text, -1) {
		if inWord(text, at[0], at[1]) {
			continue
		}
		b.WriteString(text[last:at[0]])
		b.WriteString(Mask(text[at[0]:at[1]]))
		last = at[1]
	}
	if last == 0 {
		return text
	}
	b.WriteString(text[last:])
	return b.String()
}

// inWord reports whether a letter or an underscore touches text[from:to].
func inWord(text string, from, to int) bool {
	letter := func(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
	return from > 0 && letter(text[from-1]) || to < len(text) && letter(text[to])
}
