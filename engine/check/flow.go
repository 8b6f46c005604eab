package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/jslex"
	"github.com/loopstart/loopstart/internal/suggest"
	flowscript "github.com/loopstart/loopstart/stdlib/flow/script"
)

// What a check knows of flows: f's members, and what belongs into a step.

// flowMark is what flow(fn) is imported as.
const flowMark = "loopstart:flow.flow"

// waitingFlow are the functions of f that must be awaited.
var waitingFlow = []string{"step", "sleep", "sleepUntil", "call"}

// stepFunctions and stepObjects do nothing outside of steps but fail.
var (
	stepFunctions = []string{"loopstart:core.sleep", "loopstart:core.lock", "loopstart:call.dial", "loopstart:flow.start", "loopstart:flow.signal"}
	stepObjects   = []string{"loopstart:core.kv", "loopstart:core.webhook"}
	stepGlobals   = []string{"fetch", "setTimeout", "setInterval"}
)

// findFlows looks at every flow(…) of a source.
func (s *source) findFlows() {
	for i, t := range s.tokens {
		if t.Kind != jslex.Word || s.imported[t.Value] != flowMark || !s.tok(i+1).Is("(") || s.tok(i-1).Is(".") {
			continue
		}
		end := s.closing(i + 1)
		name := s.tok(s.parameter(i + 2))
		if end < 0 {
			continue
		}
		body := s.parameter(i+2) + 1
		if name.Kind == jslex.Word {
			for j := body; j < end; j++ {
				s.flowMember(j, name.Value)
			}
		}
		s.outside(s.bodyOf(i+2, end), end)
	}
}

// flowMember looks at f.name at token i.
func (s *source) flowMember(i int, f string) {
	t := s.tok(i + 2)
	if !s.tok(i).Is(f) || !s.tok(i+1).Is(".") || s.tok(i-1).Is(".") || s.tok(i-1).Is("?.") || t.Kind != jslex.Word {
		return
	}
	if !slices.Contains(flowscript.Members(), t.Value) {
		finding := Finding{Level: LevelWarning, Message: fmt.Sprintf("a flow has no %s", t.Value), Hint: "it has " + strings.Join(flowscript.Members(), ", ")}
		if near := suggest.Nearest(t.Value, flowscript.Members()); near != "" {
			finding.Hint = "did you mean " + near + "?"
		}
		s.find(t, finding)
		return
	}
	if slices.Contains(waitingFlow, t.Value) {
		s.unawaited(i, i+2, f+"."+t.Value)
	}
}

// bodyOf is where the body of the function at token i begins.
func (s *source) bodyOf(i, end int) int {
	for ; i < end; i++ {
		if s.tok(i).Is("(") {
			if i = s.closing(i); i < 0 {
				return end
			}
		}
		if s.tok(i).Is("{") || s.tok(i).Is("=>") {
			return i + 1
		}
	}
	return end
}

// outside looks for what belongs into a step, in the code of a flow itself: the
// functions in it may be steps, or what steps use.
func (s *source) outside(i, end int) {
	for ; i < end; i++ {
		switch t := s.tok(i); {
		case t.Is("=>") || t.Is("function"):
			i = s.skip(i, end)
		case t.Kind == jslex.Word && !s.tok(i-1).Is(".") && !s.tok(i-1).Is("?."):
			s.belongs(i)
		}
	}
}

// skip is the last token of the function whose arrow or head is at i.
func (s *source) skip(i, end int) int {
	if s.tok(i).Is("function") {
		for i < end && !s.tok(i).Is("(") {
			i++
		}
		i = s.closing(i)
	}
	if i < 0 {
		return end
	}
	if s.tok(i + 1).Is("{") {
		if i = s.closing(i + 1); i < 0 {
			return end
		}
		return i
	}
	for j := i + 1; j < end; j++ {
		switch t := s.tok(j); {
		case t.Is("(") || t.Is("{") || t.Is("["):
			if j = s.closing(j); j < 0 {
				return end
			}
		case t.Is(",") || t.Is(";") || t.Is(")") || t.Is("}") || t.Is("]"):
			return j - 1
		}
	}
	return end
}

// belongs reports the use of token i, if it belongs into a step.
func (s *source) belongs(i int) {
	t, from := s.tok(i), s.imported[s.tok(i).Value]
	called, asked := s.tok(i+1).Is("("), s.tok(i+1).Is(".") && s.tok(i+3).Is("(")
	if called && (from == "" && slices.Contains(stepGlobals, t.Value) || slices.Contains(stepFunctions, from)) || asked && slices.Contains(stepObjects, from) {
		s.find(t, Finding{Level: LevelError, Code: fault.Invalid, Message: t.Value + " outside of a step: a flow is run again from its journal at every wake-up, and this would be done each time",
			Hint: `write await f.step("name", () => …); to wait there is f.sleep`})
	}
}
