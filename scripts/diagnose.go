package scripts

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/loopstart/loopstart/internal/suggest"
)

func (in *inputs) diagnostics(list []api.Message, r BuildRequest) []Diagnostic {
	out := []Diagnostic{}
	for _, m := range list {
		out = append(out, in.diagnostic(m, r))
	}
	return out
}

// diagnostic puts one of esbuild's messages into our words.
func (in *inputs) diagnostic(m api.Message, r BuildRequest) Diagnostic {
	d := Diagnostic{Place: r.Entry + ":1:1", Message: m.Text}
	if l := m.Location; l != nil {
		d.Place = fmt.Sprintf("%s:%d:%d", l.File, l.Line, utf8.RuneCountInString(l.LineText[:min(l.Column, len(l.LineText))])+1)
		d.Frame = in.frame(l)
	}
	if hint, ok := m.Detail.(string); ok && hint != "" {
		d.Hint = hint
		return d
	}
	in.explain(&d)
	for _, n := range m.Notes {
		if d.Hint == "" && n.Text != "" && !strings.Contains(n.Text, "esbuild") {
			d.Hint = n.Text
		}
	}
	return d
}

var (
	noExport    = regexp.MustCompile(`^No matching export in "(?:loopstart:)?(loopstart:\w+)" for import "(\S+)"$`)
	isUndefined = regexp.MustCompile(`^Import "(\S+)" will always be undefined because there is no matching export in "(?:loopstart:)?(loopstart:\w+)"`)
	notFound    = regexp.MustCompile(`^Could not resolve "(.+)"$`)
)

// explain rewrites the messages that authors meet often.
func (in *inputs) explain(d *Diagnostic) {
	if m := noExport.FindStringSubmatch(d.Message); m != nil {
		in.noSuchExport(d, m[1], m[2])
	} else if m := isUndefined.FindStringSubmatch(d.Message); m != nil {
		in.noSuchExport(d, m[2], m[1])
	} else if m := notFound.FindStringSubmatch(d.Message); m != nil {
		notResolved(d, m[1])
	} else if strings.HasPrefix(d.Message, "Top-level await") {
		d.Message, d.Hint = "await is not possible at the top level of a script", "move it into the exported function"
	} else if strings.HasPrefix(d.Message, "Big integer literals") {
		d.Message, d.Hint = "BigInt literals are not allowed in scripts", "use an ordinary number, or a string for a long identifier"
	}
}

func (in *inputs) noSuchExport(d *Diagnostic, module, name string) {
	d.Message = fmt.Sprintf("%s has no export %q", module, name)
	names := slices.Clone(in.modules[module])
	slices.Sort(names)
	d.Hint = "it exports " + listed(names, 30)
	if near := suggest.Nearest(name, names); near != "" {
		d.Hint = "did you mean " + near + "?"
	} else if name == "default" {
		d.Hint = "write import { " + listed(names, 3) + " } from \"" + module + "\""
	}
}

// nodeModules are built into Node and exist nowhere else.
var nodeModules = []string{"fs", "path", "http", "https", "net", "os", "crypto", "buffer", "stream", "util",
	"events", "child_process", "url", "zlib", "tls", "dns", "timers", "assert", "process", "worker_threads"}

func notResolved(d *Diagnostic, what string) {
	base, _, _ := strings.Cut(strings.TrimPrefix(what, "node:"), "/")
	switch {
	case strings.HasPrefix(what, "."), strings.HasPrefix(what, "/"):
		d.Message = "there is no file " + what
		d.Hint = "names are relative to " + path.Dir(strings.SplitN(d.Place, ":", 2)[0]) + "/"
	case strings.HasPrefix(what, "node:"), slices.Contains(nodeModules, base):
		d.Message = what + " is a module of Node and is not there"
		d.Hint = "fetch, URL, crypto, timers and TextEncoder are global; state is in loopstart:core"
	case what == "loopstart", strings.HasPrefix(what, "loopstart/"):
		d.Message = "there is no package " + what
		d.Hint = "built-in modules are written with a colon: loopstart:core"
	default:
		d.Message = "there is no package " + what
		d.Hint = "run npm install " + base + " in the project folder"
	}
}

// frame is up to three lines of source, the last one with a caret below it.
func (in *inputs) frame(l *api.Location) string {
	in.mu.Lock()
	text, ok := in.texts[l.File]
	in.mu.Unlock()
	if !ok {
		text = l.LineText
	}
	return CodeFrame(text, l.Line, utf8.RuneCountInString(l.LineText[:min(l.Column, len(l.LineText))])+1, ok)
}

// CodeFrame draws the lines of a source up to line, two before it, and a caret
// under the column; both count from 1, the column in characters. With whole
// false the text is that one line.
func CodeFrame(text string, line, col int, whole bool) string {
	lines := []string{text}
	first := line
	if whole {
		lines = strings.Split(text, "\n")
		if line < 1 || line > len(lines) {
			return ""
		}
		first = max(line-2, 1)
		lines = lines[first-1 : line]
	}
	skip := 0 // of a long line, as in a bundled package, the part around the column
	if col > maxFrameLine-20 {
		skip = col - maxFrameLine/2
	}
	width := len(strconv.Itoa(line))
	var b strings.Builder
	for i, s := range lines {
		mark := " "
		if first+i == line {
			mark = ">"
		}
		fmt.Fprintf(&b, "%s %*d | %s\n", mark, width, first+i, clip(strings.TrimRight(s, "\r"), skip))
	}
	fmt.Fprintf(&b, "  %*s | %s^\n", width, "", caretPad(clip(lines[len(lines)-1], skip), col-1-skip))
	return b.String()
}

// maxFrameLine is how much of a line a frame shows, in characters.
const maxFrameLine = 160

func clip(s string, skip int) string {
	if skip == 0 && len(s) <= maxFrameLine {
		return s
	}
	r := []rune(s)
	r = r[min(skip, len(r)):]
	return string(r[:min(len(r), maxFrameLine)])
}

// caretPad is the space before a caret; tabs stay tabs so that it lines up.
func caretPad(line string, n int) string {
	pad := []rune{}
	for _, r := range line {
		if len(pad) == n {
			break
		}
		if r != '\t' {
			r = ' '
		}
		pad = append(pad, r)
	}
	for len(pad) < n {
		pad = append(pad, ' ')
	}
	return string(pad)
}
