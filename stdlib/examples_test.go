package stdlib

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// documented are the modules whose every export has an example beside it; ""
// stands for the globals.
var documented = []string{"", "loopstart:call", "loopstart:core", "loopstart:time", "loopstart:format", "loopstart:phone", "loopstart:test"}

var (
	docComment = regexp.MustCompile(`(?s)/\*\*(.*?)\*/\s*\n\s*([^\n]*)`)
	moduleLine = regexp.MustCompile(`(?m)^declare module "(loopstart:\w+)" \{$`)
	valueLine  = regexp.MustCompile(`^(?:export|declare) (?:const|var|function|class) (\w+)`)
)

// exampleOf is the code of a comment: what follows @example, or a fenced block.
func exampleOf(comment string) (out []string) {
	comment = regexp.MustCompile(`(?m)^[ \t]*\* ?`).ReplaceAllString(comment, "")
	for _, part := range strings.Split(comment, "@example ")[1:] {
		part, _, _ = strings.Cut(part, "\n@")
		out = append(out, strings.TrimSpace(part))
	}
	for i, part := range strings.Split(comment, "```") {
		if i%2 == 1 {
			_, code, _ := strings.Cut(part, "\n")
			out = append(out, code)
		}
	}
	return out
}

// moduleAt is the module that a place of Types lies in.
func moduleAt(text string, at int) string {
	module := ""
	for _, m := range moduleLine.FindAllStringSubmatchIndex(text, -1) {
		if m[0] < at {
			module = text[m[2]:m[3]]
		}
		if end := strings.Index(text[m[0]:], "\n}\n"); m[0] < at && end >= 0 && m[0]+end < at {
			module = ""
		}
	}
	return module
}

// TestEveryExportHasAnExample reads the declarations as an author does.
func TestEveryExportHasAnExample(t *testing.T) {
	text := Types()
	examples := 0
	shown := map[string]bool{}
	for _, m := range docComment.FindAllStringSubmatchIndex(text, -1) {
		comment, line := text[m[2]:m[3]], strings.TrimSpace(text[m[4]:m[5]])
		list := exampleOf(comment)
		for _, code := range list {
			examples++
			if why := unsound(code); why != "" {
				t.Errorf("%s: the example\n%s\ndoes not compile: %s", line, code, why)
			}
		}
		if v := valueLine.FindStringSubmatch(line); v != nil && len(list) > 0 {
			shown[moduleAt(text, m[0])+"."+v[1]] = true
		}
	}
	d := readTypes()
	for _, module := range documented {
		names := d.exports[module]
		if module == "" {
			names = slices.DeleteFunc(slices.Clone(d.globals), func(name string) bool { return name == "Body" })
		}
		for _, name := range names {
			if !shown[module+"."+name] {
				t.Errorf("%s %s has no example", module, name)
			}
		}
	}
	if examples < 100 {
		t.Errorf("only %d examples were found", examples)
	}
}

// unsound says why code is neither statements of a script, nor fields of an
// object, nor a module; "" when it is one of them.
func unsound(code string) (why string) {
	for _, form := range []string{"async function f(call) {\n" + code + "\n}", "({\n" + code + "\n})", code} {
		res := api.Transform(form, api.TransformOptions{Loader: api.LoaderTS, Target: api.ES2022, LogLevel: api.LogLevelSilent})
		if len(res.Errors) == 0 {
			return ""
		}
		if why == "" {
			why = res.Errors[0].Text
		}
	}
	return why
}
