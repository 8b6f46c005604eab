// Package jslex splits JavaScript and TypeScript source into tokens, for checks
// that look for calls and literals in a script and need no syntax tree. It
// takes any text: what is no valid source gives some tokens too.
//
// # Limits
//
// At most [MaxTokens] tokens; the rest of a longer source is left out.
package jslex

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTokens bounds the tokens of one source.
const MaxTokens = 500_000

// Kind is what a token is.
type Kind uint8

// The kinds of token.
const (
	Word     Kind = iota + 1 // an identifier, keyword or number
	Text                     // a string, or a template without ${}; Value is what it means
	Template                 // the beginning of a template with ${}; its expressions follow
	Regexp                   // a regular expression
	Punct                    // one of { } ( ) [ ] ; , … or =>, ?., ...
)

// Token is one piece of source that is no blank and no comment.
type Token struct {
	Kind  Kind
	Value string
	Line  int // from 1
	Col   int // from 1, in characters
}

// Is tells whether the token is this word or punctuation, and no text.
func (t Token) Is(value string) bool {
	return (t.Kind == Word || t.Kind == Punct) && t.Value == value
}

// Tokens splits a source.
func Tokens(source string) []Token {
	l := lexer{rest: source, line: 1, col: 1}
	for l.rest != "" && len(l.out) < MaxTokens {
		l.next()
	}
	return l.out
}

type lexer struct {
	rest      string
	line, col int
	out       []Token
	// open is one entry per brace that is open: true when it is the ${ of a
	// template, which goes on behind its }.
	open []bool
}

// take consumes n bytes.
func (l *lexer) take(n int) string {
	s := l.rest[:n]
	l.rest = l.rest[n:]
	if lines := strings.Count(s, "\n"); lines > 0 {
		l.line += lines
		l.col = 1 + utf8.RuneCountInString(s[strings.LastIndexByte(s, '\n')+1:])
	} else {
		l.col += utf8.RuneCountInString(s)
	}
	return s
}

func (l *lexer) add(kind Kind, value string, line, col int) {
	l.out = append(l.out, Token{kind, value, line, col})
}

// until is the length of the source up to and with the next end, or all.
func (l *lexer) until(end string) int {
	if i := strings.Index(l.rest, end); i >= 0 {
		return i + len(end)
	}
	return len(l.rest)
}

func (l *lexer) next() {
	r, size := utf8.DecodeRuneInString(l.rest)
	switch {
	case unicode.IsSpace(r) || r == '\ufeff':
		l.take(size)
	case strings.HasPrefix(l.rest, "//"), strings.HasPrefix(l.rest, "#!") && len(l.out) == 0:
		l.take(l.until("\n"))
	case strings.HasPrefix(l.rest, "/*"):
		l.comment()
	case r == '"' || r == '\'':
		l.quoted(byte(r))
	case r == '`':
		l.template()
	case r == '/' && l.regexpHere():
		l.regexp()
	case wordRune(r):
		l.word()
	default:
		l.punct(size)
	}
}

// comment drops /* … */; one that does not end takes the rest.
func (l *lexer) comment() {
	l.take(2)
	l.take(l.until("*/"))
}

func wordRune(r rune) bool {
	return r == '_' || r == '$' || r == '#' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func (l *lexer) word() {
	line, col, n := l.line, l.col, 0
	for _, r := range l.rest {
		if !wordRune(r) {
			break
		}
		n += utf8.RuneLen(r)
	}
	l.add(Word, l.take(n), line, col)
}

// longPuncts are those that must not be taken apart.
var longPuncts = []string{"...", "=>", "?.", "??", "||", "&&"}

func (l *lexer) punct(size int) {
	for _, p := range longPuncts {
		if strings.HasPrefix(l.rest, p) {
			size = len(p)
			break
		}
	}
	line, col := l.line, l.col
	s := l.take(size)
	switch s {
	case "{":
		l.open = append(l.open, false)
	case "}":
		if n := len(l.open); n > 0 {
			inTemplate := l.open[n-1]
			l.open = l.open[:n-1]
			if inTemplate {
				l.templateTail()
				return
			}
		}
	}
	l.add(Punct, s, line, col)
}

// quoted reads a string; one that is not closed ends with its line.
func (l *lexer) quoted(quote byte) {
	line, col := l.line, l.col
	n := 1
	for n < len(l.rest) && l.rest[n] != quote && l.rest[n] != '\n' {
		if l.rest[n] == '\\' && n+1 < len(l.rest) {
			n++
		}
		n++
	}
	n = min(n, len(l.rest))
	body := l.rest[1:n]
	if n < len(l.rest) && l.rest[n] == quote {
		n++
	}
	l.take(n)
	l.add(Text, unescape(body), line, col)
}

// template reads from a backquote to its end, or to the first ${.
func (l *lexer) template() {
	line, col := l.line, l.col
	n, whole := templateEnd(l.rest[1:])
	body := l.take(1 + n)[1:]
	if whole {
		l.add(Text, unescape(strings.TrimSuffix(body, "`")), line, col)
		return
	}
	l.add(Template, "", line, col)
	l.open = append(l.open, true)
}

// templateTail goes on with a template behind the } of an expression.
func (l *lexer) templateTail() {
	n, whole := templateEnd(l.rest)
	l.take(n)
	if !whole {
		l.open = append(l.open, true)
	}
}

// templateEnd is the length up to and with the closing backquote, or the next
// ${ (then whole is false).
func templateEnd(s string) (n int, whole bool) {
	for n < len(s) {
		switch {
		case s[n] == '\\' && n+1 < len(s):
			n++
		case s[n] == '`':
			return n + 1, true
		case strings.HasPrefix(s[n:], "${"):
			return n + 2, false
		}
		n++
	}
	return len(s), true
}

// operandWords stand before an operand, so that a slash behind them begins a
// regular expression.
var operandWords = map[string]bool{
	"return": true, "typeof": true, "case": true, "in": true, "of": true, "do": true, "else": true, "void": true, "delete": true,
	"throw": true, "new": true, "await": true, "yield": true, "instanceof": true,
}

func (l *lexer) regexpHere() bool {
	if len(l.out) == 0 {
		return true
	}
	switch last := l.out[len(l.out)-1]; last.Kind {
	case Word:
		return operandWords[last.Value]
	case Punct:
		return last.Value != ")" && last.Value != "]" && last.Value != "}"
	}
	return false
}

// regexp reads /…/flags; a slash inside [ ] does not end it, a line does.
func (l *lexer) regexp() {
	line, col := l.line, l.col
	n, class := 1, false
	for n < len(l.rest) && l.rest[n] != '\n' && (class || l.rest[n] != '/') {
		switch l.rest[n] {
		case '\\':
			n++
		case '[':
			class = true
		case ']':
			class = false
		}
		n++
	}
	if n = min(n, len(l.rest)); n == len(l.rest) || l.rest[n] != '/' {
		l.add(Punct, l.take(1), line, col) // it was a division after all
		return
	}
	n++
	for n < len(l.rest) && l.rest[n] >= 'a' && l.rest[n] <= 'z' {
		n++
	}
	l.add(Regexp, l.take(n), line, col)
}

// unescape is what a string literal's body means.
func unescape(s string) string {
	if !strings.ContainsRune(s, '\\') {
		return s
	}
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		s = escape(&b, s[i+1:])
	}
	return b.String()
}

var simpleEscapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", 'v': "\v", '0': "\x00", '\n': ""}

// escape writes the character that s, behind a backslash, begins with, and
// returns the rest.
func escape(b *strings.Builder, s string) string {
	if text, ok := simpleEscapes[s[0]]; ok {
		b.WriteString(text)
		return s[1:]
	}
	hex := ""
	tail := s
	switch {
	case s[0] == 'x' && len(s) >= 3:
		hex, tail = s[1:3], s[3:]
	case strings.HasPrefix(s, "u{"):
		if end := strings.IndexByte(s, '}'); end > 0 {
			hex, tail = s[2:end], s[end+1:]
		}
	case s[0] == 'u' && len(s) >= 5:
		hex, tail = s[1:5], s[5:]
	}
	if n, err := strconv.ParseUint(hex, 16, 32); err == nil && n <= unicode.MaxRune {
		b.WriteRune(rune(n))
		return tail
	}
	_, size := utf8.DecodeRuneInString(s)
	b.WriteString(s[:size])
	return s[size:]
}
