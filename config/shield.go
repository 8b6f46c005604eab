package config

import "strings"

// In a flow map the YAML library takes every colon for a separator, so that
// {listen: [udp://0.0.0.0:5060]} would be three maps. YAML 1.2 §7.3.3 says
// otherwise: a colon inside a plain scalar separates only before a space or a
// flow indicator. shield hides the others behind a character of the private
// use area, one for one, so that places stay right; unshield undoes it.
const shielded = '\uE000'

func shield(text []byte) []byte {
	if !strings.ContainsAny(string(text), "{[") {
		return text
	}
	s := flowScan{in: []rune(string(text))}
	s.run()
	return []byte(string(s.in))
}

func unshield(s string) string { return strings.ReplaceAll(s, string(shielded), ":") }

// unshieldNode restores a tree.
func unshieldNode(n *node) {
	if n == nil {
		return
	}
	n.text = unshield(n.text)
	for _, item := range n.items {
		unshieldNode(item)
	}
	for i := range n.entries {
		n.entries[i].key = unshield(n.entries[i].key)
		unshieldNode(n.entries[i].value)
	}
}

// flowScan walks over a document and changes the colons of plain scalars in
// flow collections.
type flowScan struct {
	in    []rune
	depth int
	quote rune
}

func (s *flowScan) run() {
	for i := 0; i < len(s.in); i++ {
		c := s.in[i]
		switch {
		case s.quote != 0:
			i = s.inQuote(i)
		case c == '#' && (i == 0 || blank(s.in[i-1])):
			for i < len(s.in) && s.in[i] != '\n' {
				i++
			}
		case (c == '"' || c == '\'') && s.begins(i):
			s.quote = c
		case (c == '{' || c == '[') && (s.depth > 0 || s.begins(i)):
			s.depth++
		case (c == '}' || c == ']') && s.depth > 0:
			s.depth--
		case c == ':' && s.depth > 0 && s.inside(i):
			s.in[i] = shielded
		}
	}
}

func (s *flowScan) inQuote(i int) int {
	switch {
	case s.quote == '"' && s.in[i] == '\\':
		return i + 1
	case s.quote == '\'' && s.in[i] == '\'' && i+1 < len(s.in) && s.in[i+1] == '\'':
		return i + 1
	case s.in[i] == s.quote:
		s.quote = 0
	}
	return i
}

// begins reports whether a value may begin at i.
func (s *flowScan) begins(i int) bool {
	for i--; i >= 0; i-- {
		switch s.in[i] {
		case ' ', '\t':
			continue
		case ':', '-', ',', '{', '[', '\n':
			return true
		}
		return false
	}
	return true
}

// inside reports whether the colon at i belongs to a plain scalar: it follows
// one and something other than a space or a flow indicator comes after it.
func (s *flowScan) inside(i int) bool {
	if i == 0 || i+1 >= len(s.in) || blank(s.in[i+1]) || strings.ContainsRune(",[]{}", s.in[i+1]) {
		return false
	}
	before := s.in[i-1]
	return !blank(before) && before != '"' && before != '\'' && !strings.ContainsRune(",[{", before)
}

func blank(c rune) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
