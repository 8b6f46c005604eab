package stdlib

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/loopstart/loopstart/runtime"
	call "github.com/loopstart/loopstart/stdlib/call/script"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
	web "github.com/loopstart/loopstart/stdlib/web/script"
)

var (
	comments    = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	moduleHead  = regexp.MustCompile(`^declare module "(loopstart:\w+)" \{$`)
	exportHead  = regexp.MustCompile(`^export (?:const|function|class) (\w+)`)
	globalHead  = regexp.MustCompile(`^declare (?:var|function|class) (\w+)`)
	constHead   = regexp.MustCompile(`^export const (\w+): \{$`)
	memberName  = regexp.MustCompile(`^(?:readonly )?(\w+)\??[(<:]`)
	nestedConst = regexp.MustCompile(`^readonly (\w+): \{$`)
)

// declared is what Types says: exports by module, and the members of every
// object by module.name.
type declared struct {
	exports map[string][]string
	members map[string][]string
	globals []string
}

// readTypes understands the layout of our own declarations: one per line, an
// opening brace at the end of its line.
func readTypes() declared {
	d := declared{exports: map[string][]string{}, members: map[string][]string{}}
	var path []string // of open blocks
	for line := range strings.SplitSeq(comments.ReplaceAllString(Types(), ""), "\n") {
		line = strings.TrimSpace(line)
		module := ""
		if len(path) > 0 {
			module = path[0]
		}
		add := func(m map[string][]string, key, name string) {
			if !slices.Contains(m[key], name) {
				m[key] = append(m[key], name)
			}
		}
		switch {
		case len(path) == 1 && exportHead.MatchString(line):
			add(d.exports, module, exportHead.FindStringSubmatch(line)[1])
		case len(path) == 0 && globalHead.MatchString(line):
			d.globals = append(d.globals, globalHead.FindStringSubmatch(line)[1])
		case len(path) >= 2 && memberName.MatchString(line):
			add(d.members, strings.Join(path, "."), memberName.FindStringSubmatch(line)[1])
		}
		open := strings.Count(line, "{") - strings.Count(line, "}")
		for range open {
			path = append(path, blockName(line))
		}
		if open < 0 {
			path = path[:max(len(path)+open, 0)]
		}
	}
	return d
}

func blockName(line string) string {
	for _, head := range []*regexp.Regexp{moduleHead, constHead, nestedConst} {
		if m := head.FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" <({:", r) })
	for i, w := range words {
		if w == "interface" || w == "class" {
			return words[i+1]
		}
	}
	return "…"
}

func same(t *testing.T, what string, types, code []string) {
	t.Helper()
	types, code = slices.Sorted(slices.Values(types)), slices.Sorted(slices.Values(code))
	for _, name := range types {
		if !slices.Contains(code, name) {
			t.Errorf("%s: %s is declared and does not exist", what, name)
		}
	}
	for _, name := range code {
		if !slices.Contains(types, name) {
			t.Errorf("%s: %s exists and is not declared", what, name)
		}
	}
}

func TestTypesAndExportsAreEqual(t *testing.T) {
	d := readTypes()
	same(t, "modules", slices.Collect(maps.Keys(d.exports)), slices.Collect(maps.Keys(Exports())))
	for module, names := range Exports() {
		same(t, module, d.exports[module], names)
	}
	same(t, "Call", d.members["loopstart:call.Call"], call.Members())
	timers := []string{"setTimeout", "clearTimeout", "setInterval", "clearInterval", "queueMicrotask"}
	globals := slices.DeleteFunc(slices.Clone(d.globals), func(name string) bool { return name == "Body" }) // a base class
	same(t, "globals", globals, append(timers, slices.DeleteFunc(web.Names(), func(name string) bool { return name == "Intl" })...))
}

// Objects inside modules are asked for their keys in a real VM.
func TestTypesAndMembersAreEqual(t *testing.T) {
	d := readTypes()
	run := func(source string) []string {
		o, _ := scripttest.Run{Source: source, Options: Worker(runtime.Options{}), Argument: json.RawMessage(`{"handle":"a","headers":[]}`)}.Do(t)
		var names []string
		if o.Error != nil || json.Unmarshal(o.Value, &names) != nil {
			t.Fatalf("%s: %+v %s", source, o.Error, o.Value)
		}
		return names
	}
	found := 0
	for key, names := range d.members {
		module, rest, _ := strings.Cut(key, ".")
		if slices.Contains(Exports()[module], rest) {
			found++
			same(t, key, names, run(`return Object.keys(require("`+module+`").`+rest+`)`))
		}
	}
	if found < 4 {
		t.Errorf("only %d objects of modules were compared: %v", found, slices.Collect(maps.Keys(d.members)))
	}
	same(t, "call.recording", d.members["loopstart:call.Call.recording"], run(`return Object.keys(call.recording)`))
	same(t, "console", []string{"log", "info", "debug", "warn", "error", "dir", "table", "trace", "assert", "count", "countReset", "time", "timeLog", "timeEnd", "group", "groupEnd"}, run(`return Object.keys(console)`))
	for _, class := range []string{"URL", "URLSearchParams", "Headers", "FormData", "Blob", "AbortController", "TextEncoder", "TextDecoder", "EventTarget"} {
		same(t, class, classMembers(class), run(`return Object.getOwnPropertyNames(`+class+`.prototype).filter(n => n !== "constructor")`))
	}
}

// classMembers are the instance members of a declared global class.
func classMembers(class string) []string {
	text := comments.ReplaceAllString(web.Types, "")
	_, text, _ = strings.Cut(text, "declare class "+class+" {\n")
	body, _, _ := strings.Cut(text, "\n}")
	var names []string
	for line := range strings.SplitSeq(body, "\n") {
		line = strings.TrimSpace(line)
		m := memberName.FindStringSubmatch(line)
		if m != nil && m[1] != "constructor" && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

func TestTSConfig(t *testing.T) {
	var v struct{ Include []string }
	if err := json.Unmarshal([]byte(TSConfig), &v); err != nil || !slices.Contains(v.Include, ".loopstart/types.d.ts") {
		t.Errorf("%v, %v", err, v)
	}
}

// The declarations are TypeScript, as far as a parser can tell.
func TestTypesAreTypeScript(t *testing.T) {
	out := api.Transform(Types(), api.TransformOptions{Loader: api.LoaderTS})
	for _, m := range out.Errors {
		t.Errorf("%d:%d: %s", m.Location.Line, m.Location.Column, m.Text)
	}
	if code := strings.TrimSpace(string(out.Code)); code != "" {
		t.Errorf("declarations that are code: %s", code)
	}
}
