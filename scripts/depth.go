package scripts

import (
	"fmt"
	"strings"
)

// refuse says why a source must not reach the parser, and where; "" when it
// may.
func refuse(text string) (why string, at int) {
	if len(text) > MaxSourceBytes {
		return fmt.Sprintf("the file is longer than %d bytes", MaxSourceBytes), 0
	}
	if at, ok := tooDeep(text); ok {
		return fmt.Sprintf("brackets nest deeper than %d", MaxBracketDepth), at
	}
	return "", 0
}

// tooDeep finds the bracket that is nested deeper than MaxBracketDepth. It
// skips strings, templates' text and comments. It does not know regular
// expressions: a quote in one hides brackets up to the end of the line, which
// only weakens the check; the build child is there for the rest.
func tooDeep(text string) (at int, ok bool) {
	depth := 0
	var templates []int // depth at which each open ${ began
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '(', '[', '{':
			if depth++; depth > MaxBracketDepth {
				return i, true
			}
		case ')', ']', '}':
			if n := len(templates); c == '}' && n > 0 && templates[n-1] == depth {
				templates = templates[:n-1]
				i = endOfTemplate(text, i+1)
				if hasSubstitution(text, i) {
					templates = append(templates, depth)
				}
				continue
			}
			depth = max(depth-1, 0)
		case '"', '\'':
			i = endOfString(text, i)
		case '`':
			i = endOfTemplate(text, i+1)
			if hasSubstitution(text, i) {
				templates = append(templates, depth)
			}
			if len(templates) > MaxBracketDepth {
				return min(i, len(text)-1), true
			}
		case '/':
			i = endOfComment(text, i)
		}
	}
	return 0, false
}

// endOfString is the index of the closing quote, or of the end of the line.
func endOfString(text string, i int) int {
	quote := text[i]
	for i++; i < len(text) && text[i] != quote && text[i] != '\n'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// endOfTemplate is the index of the closing ` or of the { of the next ${.
func endOfTemplate(text string, i int) int {
	for ; i < len(text) && text[i] != '`'; i++ {
		if text[i] == '\\' {
			i++
		} else if text[i] == '$' && i+1 < len(text) && text[i+1] == '{' {
			return i + 1
		}
	}
	return i
}

func hasSubstitution(text string, i int) bool { return i < len(text) && text[i] == '{' }

// endOfComment is the index of the last byte of a comment that begins at i, or
// i when the slash begins none.
func endOfComment(text string, i int) int {
	rest := text[i:]
	switch {
	case strings.HasPrefix(rest, "//"):
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			return i + n
		}
		return len(text)
	case strings.HasPrefix(rest, "/*"):
		if n := strings.Index(rest[2:], "*/"); n >= 0 {
			return i + n + 3
		}
		return len(text)
	}
	return i
}
