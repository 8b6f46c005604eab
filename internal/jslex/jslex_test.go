package jslex

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func show(list []Token) string {
	var out []string
	for _, t := range list {
		switch t.Kind {
		case Text:
			out = append(out, fmt.Sprintf("%q", t.Value))
		case Template:
			out = append(out, "TEMPLATE")
		case Regexp:
			out = append(out, "RE"+t.Value)
		default:
			out = append(out, t.Value)
		}
	}
	return strings.Join(out, " ")
}

func TestTokens(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{`call.play("a.wav")`, `call . play ( "a.wav" )`},
		{"a // b\n/* c\n */ d", "a d"},
		{"a /* never ends", "a"},
		{`'it\'s \x41\u0042\u{43}\n'`, `"it's ABC\n"`},
		{`"not closed` + "\n;", `"not closed" ;`},
		{"`plain`", `"plain"`},
		{"`a ${b.c(`x${1}`)} d` + e", "TEMPLATE b . c ( TEMPLATE 1 ) + e"},
		{"`a ${ {k: 1} } b`.c", "TEMPLATE { k : 1 } . c"},
		{`a / b / c`, `a / b / c`},
		{`x = /[/"]\/y/g.test(s)`, `x = RE/[/"]\/y/g . test ( s )`},
		{`return /a/`, `return RE/a/`},
		{`f(a) / 2; b / 3`, `f ( a ) / 2 ; b / 3`},
		{`(x) => x?.y ?? [...z]`, `( x ) => x ?. y ?? [ ... z ]`},
		{`заказ.имя`, `заказ . имя`},
		{`/ not a regexp`, `/ not a regexp`},
	} {
		if got := show(Tokens(c.source)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.source, got, c.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	list := Tokens("один\n  `a\n${b}\nc` d")
	want := []Token{{Word, "один", 1, 1}, {Template, "", 2, 3}, {Word, "b", 3, 3}, {Word, "d", 4, 4}}
	if len(list) != len(want) {
		t.Fatalf("%v", list)
	}
	for i, w := range want {
		if list[i] != w {
			t.Errorf("token %d is %v, want %v", i, list[i], w)
		}
	}
}

func TestLimit(t *testing.T) {
	if n := len(Tokens(strings.Repeat(";", MaxTokens+10))); n != MaxTokens {
		t.Errorf("%d tokens of a source with more than MaxTokens", n)
	}
}

// FuzzTokens: any text ends, and every token lies in it.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{"a`${`${1}`}`", "/*", "'\\", "`${{}}", "\\u{", "/[", "\xff\xfe", "#!x\n1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		lines := strings.Split(source, "\n")
		for _, tok := range Tokens(source) {
			if tok.Line < 1 || tok.Line > len(lines) {
				t.Fatalf("%q: line %d", source, tok.Line)
			}
			if tok.Col < 1 || tok.Col > utf8.RuneCountInString(lines[tok.Line-1])+1 {
				t.Fatalf("%q: %+v lies outside of its line", source, tok)
			}
		}
	})
}
