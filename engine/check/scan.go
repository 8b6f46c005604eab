package check

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/jslex"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/scripts"
	callscript "github.com/loopstart/loopstart/stdlib/call/script"
)

// rooms are functions of loopstart:call that are looked for in a call.
var rooms = map[string]string{"conference": "join(%s)", "queue": "enter(%s)"}

// Verbs that answer an inbound call or end its ringing, and those that speak.
var (
	answering = []string{"answer", "gather", "menu", "record", "connect", "bridge", "stream", "reject", "redirect", "hangup"}
	speaking  = []string{"say", "play", "prompt"}
)

// maxSpan is how many tokens an import list or the arguments of a verb may
// have; behind it nothing is looked for.
const maxSpan = 5000

// reading is the sources of one script.
type reading struct {
	*checking
	ctx      context.Context
	entry    scripts.Entry
	folder   string
	language string
	answers  bool
	speaks   *Finding // where it first speaks
}

// source is one file, as tokens. A check of tokens misses what is put together
// at run time and must not complain about what it cannot know.
type source struct {
	*reading
	name, text string
	tokens     []jslex.Token
	calls      map[string]bool   // names that hold a Call
	shadowed   map[string]bool   // of those, the ones that something else may have too
	imported   map[string]string // names imported from built-in modules, with "module.export"
}

// read looks through the author's sources of a script.
func (c *checking) read(ctx context.Context, entry scripts.Entry, res scripts.BuildResult) {
	r := &reading{checking: c, ctx: ctx, entry: entry, folder: filepath.Join(c.dir, filepath.FromSlash(entry.Dir)), language: c.cfg.Project.Language}
	st, err := engine.ParseStatic(entry.Name, res.Config)
	if err == nil && st.Language != "" {
		r.language = st.Language
	}
	if err == nil {
		c.hookSecrets(entry, st)
	}
	files := authored(res)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		readSource(r, name, files[name])
	}
	if r.speaks != nil && !r.answers && slices.Contains(res.Exports, "default") && !slices.Contains(res.Exports, "beforeAttempt") {
		c.add(*r.speaks)
	}
}

// readSource looks through one file.
func readSource(r *reading, name, text string) {
	s := &source{reading: r, name: name, text: text, tokens: jslex.Tokens(text)}
	s.findImports()
	s.findCalls()
	s.findFlows()
	for i := range s.tokens {
		s.at(i)
	}
}

// tok is the token at i, or one that is nothing.
func (s *source) tok(i int) jslex.Token {
	if i < 0 || i >= len(s.tokens) {
		return jslex.Token{}
	}
	return s.tokens[i]
}

// findImports collects import { name, name as other } from "loopstart:…".
func (s *source) findImports() {
	s.imported = map[string]string{}
	for i, t := range s.tokens {
		if !t.Is("import") || !s.tok(i+1).Is("{") {
			continue
		}
		end := i + 2
		for end < min(len(s.tokens), i+maxSpan) && !s.tok(end).Is("}") {
			end++
		}
		from := s.tok(end + 2)
		if !s.tok(end+1).Is("from") || !strings.HasPrefix(from.Value, "loopstart:") {
			continue
		}
		for j := i + 2; j < end; j++ {
			if name := s.tok(j); name.Kind == jslex.Word && !name.Is("as") && !s.tok(j-1).Is("as") {
				local := name.Value
				if s.tok(j + 1).Is("as") {
					local = s.tok(j + 2).Value
				}
				s.imported[local] = from.Value + "." + name.Value
			}
		}
	}
}

// findCalls collects the names that hold a Call: the parameter of the default
// export, and what is annotated as one.
func (s *source) findCalls() {
	s.calls, s.shadowed = map[string]bool{}, map[string]bool{}
	declared := map[int]bool{}
	for i, t := range s.tokens {
		at := -1
		switch {
		case t.Is("export") && s.tok(i+1).Is("default") && s.imported[s.tok(i+2).Value] != flowMark:
			at = s.parameter(i + 2)
		case t.Kind == jslex.Word && s.tok(i+1).Is(":") && s.tok(i+2).Is("Call") && (s.tok(i-1).Is("(") || s.tok(i-1).Is(",")):
			at = i
		}
		if s.tok(at).Kind == jslex.Word {
			s.calls[s.tok(at).Value], declared[at] = true, true
		}
	}
	for i, t := range s.tokens {
		if t.Kind != jslex.Word || !s.calls[t.Value] || declared[i] {
			continue
		}
		before, after := s.tok(i-1), s.tok(i+1)
		arrow := after.Is("=>") || (before.Is("(") || before.Is(",")) && after.Is(")") && s.tok(i+2).Is("=>")
		if arrow || before.Is("const") || before.Is("let") || before.Is("var") {
			s.shadowed[t.Value] = true
		}
	}
}

// parameter is where the first parameter of the function that begins at i is.
func (s *source) parameter(i int) int {
	if s.tok(i).Is("async") {
		i++
	}
	if s.tok(i).Is("function") {
		i++
		if s.tok(i).Kind == jslex.Word {
			i++
		}
	}
	if s.tok(i).Is("(") {
		i++
	}
	return i
}

// at looks at what begins with token i.
func (s *source) at(i int) {
	t := s.tokens[i]
	s.hidden(i)
	if t.Kind != jslex.Word {
		return
	}
	dotted, called, source := s.tok(i-1).Is(".") || s.tok(i-1).Is("?."), s.tok(i+1).Is("("), s.imported[t.Value]
	switch {
	case dotted:
		s.member(i)
	case called && slices.Contains(waitingExports, source):
		s.unawaited(i, i, t.Value)
		if source == "loopstart:call.dial" {
			s.options(i, "dial")
			s.targets(i + 2)
		}
	case called && source == "loopstart:call.queue":
		s.queue(i)
	case called && source == "loopstart:call.agent":
		s.known(s.tok(i+2), "user", "sip.users", s.users())
	case called && slices.Contains(scriptReaders, source):
		s.script(i)
	case t.Is("fallback") && s.tok(i+1).Is(":") && s.tok(i+2).Is("["):
		s.fallbackSteps(i + 2)
	case called && slices.Contains(scheduleReaders, source):
		s.schedule(i + 2)
	case s.tok(i+1).Is(":") && (t.Value == "play" || t.Value == "music") && s.tok(i+2).Kind == jslex.Text && strings.Contains(s.tok(i+2).Value, "."):
		s.sound(i+2, true)
	}
}

// scheduleReaders take the name of a schedule first.
var scheduleReaders = []string{"loopstart:time.isOpen", "loopstart:time.next", "loopstart:time.nextOpen", "loopstart:time.nextClose"}

// member looks at .name behind a receiver.
func (s *source) member(i int) {
	t, called := s.tokens[i], s.tok(i+1).Is("(") || s.tok(i+1).Is("?.")
	receiver := s.tok(i - 2)
	mine := receiver.Kind == jslex.Word && s.calls[receiver.Value] && !s.tok(i-3).Is(".") && !s.tok(i-3).Is("?.")
	switch {
	case mine && rooms[t.Value] != "" && !s.shadowed[receiver.Value]:
		s.find(t, Finding{Level: LevelError, Code: fault.Invalid, Message: "a call has no " + t.Value,
			Hint: fmt.Sprintf("import { %s } from \"loopstart:call\", then await %[1]s(name)."+rooms[t.Value], t.Value, receiver.Value)})
	case mine && !slices.Contains(callscript.Members(), t.Value) && !s.shadowed[receiver.Value]:
		f := Finding{Level: LevelWarning, Message: fmt.Sprintf("a call has no %s", t.Value), Hint: "it has " + strings.Join(callscript.Members(), ", ")}
		if near := suggest.Nearest(t.Value, callscript.Members()); near != "" {
			f.Hint = "did you mean " + near + "?"
		}
		s.find(t, f)
	case t.Value == "get" && s.imported[receiver.Value] == "loopstart:core.secrets" && s.tok(i+1).Is("("):
		s.secret(i + 2)
	case slices.Contains(waitingMembers[s.imported[receiver.Value]], t.Value):
		s.unawaited(i-2, i, receiver.Value+"."+t.Value)
	}
	if called {
		s.verb(i, mine)
	}
	if called && mine && !s.shadowed[receiver.Value] {
		s.mine(i, receiver.Value)
	}
}

// mine looks at a verb of what is surely a call.
func (s *source) mine(i int, receiver string) {
	t := s.tokens[i]
	s.misspelt(i)
	if slices.Contains(callscript.Waiting(), t.Value) {
		s.unawaited(i-2, i, receiver+"."+t.Value)
	}
	if t.Is("menu") {
		s.menu(i-2, i)
	}
	if t.Is("transfer") {
		s.targets(i + 2)
	}
}

// verb looks at .name( … ); sure says that the receiver is a call.
func (s *source) verb(i int, sure bool) {
	t := s.tokens[i]
	if slices.Contains(answering, t.Value) || t.Is("join") && s.calls[s.tok(i+2).Value] { // conference(…).join(call)
		s.answers = true
	}
	if slices.Contains(speaking, t.Value) && s.speaks == nil {
		s.speaks = s.finding(t, Finding{Level: LevelWarning, Message: "nothing answers: on an incoming call this goes out as early media, which many phones do not play",
			Hint: "begin with await call.answer()"})
	}
	if t.Value == "play" && s.tok(i+1).Is("(") && s.tok(i+2).Kind == jslex.Text && (sure || strings.Contains(s.tok(i+2).Value, ".")) {
		s.sound(i+2, sure)
	}
	if t.Value == "connect" && s.tok(i+1).Is("(") {
		s.targets(i + 2)
	}
	s.options(i, t.Value)
}

// options looks at the option objects of a verb: what stands in braces
// directly between its parentheses.
func (s *source) options(i int, verb string) {
	trunk := verb == "connect" || verb == "dial"
	deaf := verb == "gather" && len(s.cfg.Speech.ASR.Engines) == 0
	if !trunk && !deaf || !s.tok(i+1).Is("(") {
		return
	}
	depth := 0
	for j := i + 1; j < min(len(s.tokens), i+maxSpan); j++ {
		t := s.tokens[j]
		switch {
		case t.Is("(") || t.Is("{") || t.Is("["):
			depth++
		case t.Is(")") || t.Is("}") || t.Is("]"):
			if depth--; depth == 0 {
				return
			}
		case depth == 2 && t.Kind == jslex.Word && (s.tok(j+1).Is(":") || s.tok(j+1).Is(",") || s.tok(j+1).Is("}")):
			if deaf && t.Value == "speech" {
				s.find(t, Finding{
					Level: LevelNote, Message: "gather: there is no speech recogniser, so this ends with UNAVAILABLE",
					Hint: "configure speech.asr; see docs/streams.md",
				})
			}
			if trunk && t.Value == "trunk" && s.tok(j+2).Kind == jslex.Text {
				s.trunk(j + 2)
			}
		}
	}
}

// sound checks the file that the text at i names; when it is not sure that it
// is one, it only warns.
func (s *source) sound(i int, sure bool) {
	f := s.prompt(s.ctx, s.folder, s.language, s.tok(i).Value)
	if f == nil {
		return
	}
	if !sure {
		f.Level = LevelWarning
	}
	s.find(s.tok(i), *f)
}

func (s *source) schedule(i int) {
	t := s.tok(i)
	var names []string
	for _, x := range s.cfg.Schedules {
		names = append(names, x.Name)
	}
	s.known(t, "schedule", "schedules", names)
}

func (s *source) secret(i int) {
	var names []string
	for _, x := range s.cfg.Secrets {
		names = append(names, x.Name)
	}
	s.known(s.tok(i), "secret", "secrets", names)
}

func (s *source) trunk(i int) {
	var names []string
	for _, x := range s.cfg.Trunks {
		names = append(names, x.Name)
	}
	s.known(s.tok(i), "trunk", "trunks", names)
}

// known reports a literal that is no name of a section.
func (s *source) known(t jslex.Token, what, section string, names []string) {
	if t.Kind != jslex.Text || slices.Contains(names, t.Value) {
		return
	}
	f := Finding{Level: LevelError, Code: fault.NotFound, Message: fmt.Sprintf("there is no %s %q", what, t.Value), Hint: "add it to " + section + " in loopstart.yaml"}
	if near := suggest.Nearest(t.Value, names); near != "" {
		f.Hint = "did you mean " + near + "?"
	}
	s.find(t, f)
}

// targets checks the first argument of connect: a text, or a list of them.
func (s *source) targets(i int) {
	if s.tok(i).Kind == jslex.Text {
		s.target(s.tok(i))
		return
	}
	if !s.tok(i).Is("[") {
		return
	}
	for end := i + maxSpan; i < min(len(s.tokens), end) && !s.tok(i).Is("]"); i++ {
		if s.tok(i).Kind == jslex.Text && (s.tok(i-1).Is("[") || s.tok(i-1).Is(",")) && (s.tok(i+1).Is(",") || s.tok(i+1).Is("]")) {
			s.target(s.tok(i))
		}
	}
}

func (s *source) groups() (names []string) {
	for _, g := range s.cfg.Groups {
		names = append(names, g.Name)
	}
	return names
}

func (s *source) users() (names []string) {
	for _, u := range s.cfg.SIP.Users {
		names = append(names, u.Name)
	}
	return names
}

// queue looks at queue("group") and what is called of it.
func (s *source) queue(i int) {
	s.known(s.tok(i+2), "group", "groups", s.groups())
	if !s.tok(i+3).Is(")") || !s.tok(i+4).Is(".") || !s.tok(i+6).Is("(") {
		return
	}
	verb := s.tok(i + 5)
	if slices.Contains(callscript.QueueMembers, verb.Value) {
		if verb.Is("enter") {
			s.answers = true
		}
		s.unawaited(i, i+5, "queue(…)."+verb.Value)
		return
	}
	f := Finding{Level: LevelWarning, Message: "a queue has no " + verb.Value, Hint: "it has " + strings.Join(callscript.QueueMembers, ", ")}
	if near := suggest.Nearest(verb.Value, callscript.QueueMembers); near != "" {
		f.Hint = "did you mean " + near + "?"
	}
	s.find(verb, f)
}

func (s *source) target(t jslex.Token) {
	number := phone.Normalize(t.Value, s.cfg.Project.Country)
	if strings.HasPrefix(t.Value, "sip:") || strings.HasPrefix(t.Value, "sips:") || strings.HasPrefix(number, "+") || phone.Dialable(number) {
		return
	}
	names := append(s.groups(), s.users()...)
	s.known(t, "group, user or number", "groups or sip.users", names)
}

// finding gives f the place and the frame of a token.
func (s *source) finding(t jslex.Token, f Finding) *Finding {
	f.Area, f.Script = areaScript, s.entry.Name
	f.Place = fmt.Sprintf("%s:%d:%d", s.name, t.Line, t.Col)
	f.Frame = strings.TrimRight(scripts.CodeFrame(s.text, t.Line, t.Col, true), "\n")
	return &f
}

func (s *source) find(t jslex.Token, f Finding) { s.add(*s.finding(t, f)) }
