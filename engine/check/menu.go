package check

import (
	"slices"

	"github.com/loopstart/loopstart/internal/jslex"
)

// A menu whose caller presses nothing resolves with reason "timeout" and no
// value. A script that only asks for its own values then ends without a word.

// heard are verbs after which a caller is not left in silence.
var heard = []string{"say", "play", "prompt", "menu", "gather", "record", "connect", "transfer", "redirect", "enter"}

// menu looks at call.menu( at token i, whose expression begins at token from.
func (s *source) menu(from, i int) {
	end := s.closing(i + 1)
	open := s.argument(i+1, 0)
	if end < 0 || !s.tok(open).Is("{") || !s.tok(from-1).Is("await") {
		return
	}
	for _, j := range s.names(open) {
		if s.tok(j).Value == "timeoutPrompt" {
			return
		}
	}
	name, known := s.bound(from - 1)
	if !known || name != "" && s.answersAll(name, end+1) || s.speaksAfter(end+1) {
		return
	}
	s.find(s.tokens[i], Finding{Level: LevelWarning, Message: "nothing is said to a caller who presses nothing: after this menu's attempts the call just ends",
		Hint: `look at the result: if (choice.reason === "timeout") await call.say(…)`})
}

// bound is the name that takes what is awaited at token i, "" when nothing
// does; known is false when it goes somewhere else.
func (s *source) bound(i int) (name string, known bool) {
	before := s.tok(i - 1)
	switch {
	case before.Is("=") && s.tok(i-2).Kind == jslex.Word && !s.tok(i-3).Is("."):
		return s.tok(i - 2).Value, true
	case s.statement(i):
		return "", true
	}
	return "", false
}

// answersAll reports whether what follows token i looks at more of a result
// than at values of its own: each use but a comparison with a text does.
func (s *source) answersAll(name string, i int) bool {
	for j := i; j < min(len(s.tokens), i+maxSpan); j++ {
		if !s.tok(j).Is(name) || s.tok(j-1).Is(".") {
			continue
		}
		field := s.tok(j + 2)
		if !s.tok(j+1).Is(".") && !s.tok(j+1).Is("?.") || !field.Is("value") && !field.Is("key") {
			return true // the whole result, or its reason
		}
		if s.tok(j-1).Is("(") && s.tok(j-2).Is("switch") && s.tok(j+3).Is(")") {
			if s.hasDefault(j + 4) {
				return true
			}
			continue
		}
		if !s.comparedWithText(j + 3) {
			return true
		}
	}
	return false
}

// comparedWithText: === "text" or == "text", and no else behind the branch.
func (s *source) comparedWithText(i int) bool {
	n := 0
	for s.tok(i + n).Is("=") {
		n++
	}
	if n < 2 || s.tok(i+n).Kind != jslex.Text {
		return false
	}
	for j := i; j < min(len(s.tokens), i+maxSpan); j++ {
		switch t := s.tokens[j]; {
		case t.Is("else") && !s.tok(j+1).Is("if"):
			return false
		case t.Is("{") || t.Is("("):
			if j = s.closing(j); j < 0 {
				return true
			}
		case t.Is("}"):
			return true
		}
	}
	return true
}

func (s *source) hasDefault(open int) bool {
	end := s.closing(open)
	for j := open + 1; j < end; j++ {
		if s.tok(j).Is("default") {
			return true
		}
	}
	return false
}

// speaksAfter reports whether something is said behind token i in the same
// block, or behind it where that is a branch, or the block is the body of a
// loop.
func (s *source) speaksAfter(i int) bool {
	branch := false
	for j := i; j < min(len(s.tokens), i+maxSpan); j++ {
		t := s.tokens[j]
		switch {
		case t.Is("}") && s.branches(j):
			branch = false
		case t.Is("}"):
			return s.loops(j)
		case t.Is("if") || t.Is("else") || t.Is("switch"):
			branch = true
		case t.Is("{"):
			if j = s.closing(j); j < 0 {
				return true
			}
			branch = false
		case t.Is(";"):
			branch = false
		case !branch && t.Kind == jslex.Word && s.tok(j-1).Is(".") && s.tok(j+1).Is("(") && slices.Contains(heard, t.Value):
			return true
		case !branch && (t.Is("return") || t.Is("continue")):
			return true // what comes of it is seen elsewhere
		}
	}
	return true
}

// branches reports whether the block that ends with token i is that of an if or
// an else: the script goes on behind it.
func (s *source) branches(i int) bool {
	head := s.head(i)
	return head.Is("if") || head.Is("else")
}

// loops reports whether the block that ends with token i is the body of a loop.
func (s *source) loops(i int) bool {
	head := s.head(i)
	return head.Is("do") || head.Is("while") || head.Is("for")
}

// head is the token before the block that ends with token i, and before its
// condition if it has one.
func (s *source) head(i int) jslex.Token {
	low := max(0, i-maxSpan)
	at := s.opening(i, low)
	if s.tok(at - 1).Is(")") {
		at = s.opening(at-1, low)
	}
	return s.tok(at - 1)
}

// opening is the bracket that token i closes, -1 when it is not behind low.
func (s *source) opening(i, low int) int {
	depth := 0
	for j := i; j >= low; j-- {
		switch t := s.tokens[j]; {
		case t.Is("}") || t.Is(")") || t.Is("]"):
			depth++
		case t.Is("{") || t.Is("(") || t.Is("["):
			if depth--; depth == 0 {
				return j
			}
		}
	}
	return -1
}
