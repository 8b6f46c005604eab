// Package loopstart holds nothing but the tests that keep the house in order.
package loopstart

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/loopstart/loopstart"

// Sizes beyond which a file or function has outgrown its idea.
const (
	maxFile     = 700
	maxFunction = 70
)

// rule says what a folder may import of this module, and why not more.
type rule struct {
	folder string   // longest match wins
	may    []string // folders; a trailing /... includes what is below
	why    string
}

var rules = []rule{
	{"internal", []string{"internal/..."}, "leaves: they know nothing of the house"},
	{"config", []string{"internal/..."}, "values only"},
	{"store", []string{"internal/...", "store/..."}, "no telephony, no JS engine"},
	{"store/campaigns", []string{"store", "campaign", "internal/..."}, "the tables of campaigns know the domain they keep; the store does not"},
	{"scripts", []string{"internal/..."}, "no telephony, no JS engine"},
	{"speech", []string{"internal/..."}, "no telephony, no JS engine"},
	{"media", []string{"media/...", "internal/..."}, "must run with no SIP and no JS"},
	{"media/audio", []string{}, "samples and arithmetic"},
	{"media/codec", []string{"media/audio"}, "samples to payloads and back"},
	{"media/sound", []string{"media/audio", "media/codec", "internal/..."}, "prepared audio and its files: knows no call that plays them"},
	{"media/detect", []string{"media/audio", "internal/fault"}, "detectors on paper: frames in, findings out"},
	{"media/srtp", []string{"media/codec", "internal/fault"}, "keys and packets: knows no session description and no session"},
	{"media/sdp", []string{"media/audio", "media/codec", "media/srtp", "internal/fault"}, "texts and rules: knows no session that keeps to them"},
	{"media/mediatest", []string{}, "tests of every package of media use it"},
	{"sip", []string{"internal/...", "sip/..."}, "SDP is opaque bytes here"},
	{"call/stream", []string{"media/...", "internal/..."}, "a client of audio servers: knows taps, no call"},
	{"call/queue", []string{"internal/..."}, "waiting lines on paper: no telephony, so that a day passes in a test's second"},
	{"call", []string{"call/queue", "call/stream", "sip/...", "media/...", "speech", "internal/..."}, "the one join of signalling and media"},
	{"runtime/message", []string{"internal/..."}, "plain messages: both processes import them"},
	{"runtime/supervisor", []string{"runtime/message", "internal/..."}, "runs in the main process: no goja"},
	{"runtime", []string{"scripts", "runtime/...", "internal/..."}, "goja lives here; knows no call"},
	{"stdlib", []string{"runtime/...", "stdlib/...", "internal/..."}, "the list of script modules, used by workers"},
	{"stdlib/*/script", []string{"runtime/...", "stdlib/...", "internal/..."}, "runs in workers: no telephony, no store"},
	{"stdlib/*/host", []string{"call", "call/stream", "media/...", "sip", "runtime/message", "internal/..."}, "runs in the main process: no goja"},
	{"flow", []string{"store", "internal/..."}, "durable flows: what runs their code and calls is behind an interface"},
	{"campaign", []string{"campaign", "internal/..."}, "testable on paper, no SIP; below it its conformance tests"},
	{"api", []string{"internal/...", "console"}, "the UI cannot reach into packages"},
	{"engine", []string{"..."}, "the only package allowed to know everything, but not cmd"},
	{"engine/sounds", []string{}, "files and their places: what finds them knows no call"},
	{"engine/check", []string{"..."}, "looks at a project with everything that would run it"},
	{"testrun", []string{"..."}, "assembles engines whose outside is replaced, for tests in virtual time"},
	{"bench", []string{"media/...", "internal/..."}, "measures the program from outside: it knows its files and ports, and of its code only how a packet is encrypted"},
	{"cmd/loopstart", []string{"bench", "engine/...", "testrun", "config", "internal/..."}, "a shell around engine"},
	{"examples", []string{"..."}, "examples may use what they show"},
	{"e2e", []string{"..."}, "tests the whole"},
	{".", []string{}, "tests only"},
}

// goFile is one parsed source file.
type goFile struct {
	path string // relative, with slashes
	fset *token.FileSet
	*ast.File
}

func (f goFile) folder() string { return path.Dir(f.path) }

func (f goFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

func sources(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != "." || d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "bin"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(p) != ".go":
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, goFile{filepath.ToSlash(p), fset, f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTidyImports(t *testing.T) {
	for _, f := range sources(t) {
		if f.test() {
			continue // tests may reach sideways to build their surroundings
		}
		r := ruleOf(f.folder())
		for _, imp := range f.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			if complaint := judge(f.folder(), r, name); complaint != "" {
				t.Errorf("%s imports %s: %s", f.path, name, complaint)
			}
		}
	}
}

func ruleOf(folder string) rule {
	best := rule{}
	length := -1
	for _, r := range rules {
		if n := covers(r.folder, folder); n > length {
			best, length = r, n
		}
	}
	return best
}

// covers is how much of folder the pattern names, or -1.
func covers(pattern, folder string) int {
	p, f := strings.Split(pattern, "/"), strings.Split(folder, "/")
	if len(p) > len(f) {
		return -1
	}
	for i := range p {
		if p[i] != "*" && p[i] != f[i] {
			return -1
		}
	}
	return len(p)
}

func judge(folder string, r rule, name string) string {
	own, ours := strings.CutPrefix(name, module+"/")
	switch {
	case !ours:
		return foreign(folder, name)
	case r.may == nil:
		return "no rule names this folder"
	case strings.HasPrefix(own, "cmd/"):
		return "nobody imports it"
	}
	for _, m := range r.may {
		if m == "..." || m == own || strings.HasSuffix(m, "/...") && (own+"/...") == m {
			return ""
		}
		if stem, ok := strings.CutSuffix(m, "/..."); ok && strings.HasPrefix(own, stem+"/") {
			return ""
		}
	}
	return r.why
}

// fixed libraries stay behind one package each.
var behind = map[string][]string{
	"github.com/dop251/goja":        {"runtime", "stdlib"},
	"github.com/emiago/sipgo":       {"sip"},
	"github.com/dgraph-io/badger":   {"store"},
	"github.com/evanw/esbuild":      {"scripts"},
	"github.com/fsnotify/fsnotify":  {"scripts"},
	"github.com/pion/rtp":           {"media"},
	"github.com/pion/rtcp":          {"media"},
	"github.com/pion/srtp":          {"media"},
	"github.com/goccy/go-yaml":      {"config"},
	"github.com/hajimehoshi/go-mp3": {"media"},
	"github.com/coder/websocket":    {"internal/netx", "examples/agent", "sip"},
}

func foreign(folder, name string) string {
	if folder == "runtime/message" || folder == "runtime/supervisor" || strings.HasSuffix(folder, "/host") {
		if strings.HasPrefix(name, "github.com/dop251/goja") {
			return "goja never runs in the main process"
		}
	}
	if strings.HasPrefix(folder, "e2e") {
		return ""
	}
	for lib, homes := range behind {
		if !strings.HasPrefix(name, lib) {
			continue
		}
		if !slices.ContainsFunc(homes, func(h string) bool { return folder == h || strings.HasPrefix(folder, h+"/") }) {
			return "only " + strings.Join(homes, " and ") + " may know it"
		}
	}
	return ""
}

func TestTidyPackageComments(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		if !f.test() {
			documented[f.folder()] = documented[f.folder()] || f.Doc != nil && strings.HasPrefix(f.Doc.Text(), prefix(f))
		}
	}
	for folder, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", folder)
		}
	}
}

func prefix(f goFile) string {
	if f.Name.Name == "main" {
		return ""
	}
	return "Package " + f.Name.Name
}

func TestTidySizes(t *testing.T) {
	for _, f := range sources(t) {
		if lines := f.fset.Position(f.End()).Line; lines > maxFile {
			t.Errorf("%s has %d lines, %d at most: split the idea", f.path, lines, maxFile)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil || f.test() {
				continue
			}
			if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, %d at most", f.path, fn.Name.Name, n, maxFunction)
			}
		}
	}
}

// clockOnly are the calls that read or wait for the machine's clock.
var clockOnly = []string{"Now", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick", "Since", "Until"}

// TestTidyClock keeps the machine's clock behind internal/clock: everything
// else takes a clock.Clock, so that a whole call can run in virtual time.
func TestTidyClock(t *testing.T) {
	for _, f := range sources(t) {
		if f.test() || f.folder() == "internal/clock" || strings.HasPrefix(f.path, "e2e/") {
			continue
		}
		name := importName(f, "time")
		if name == "" {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == name && slices.Contains(clockOnly, sel.Sel.Name) {
				t.Errorf("%s: time.%s: take a clock.Clock", f.fset.Position(sel.Pos()), sel.Sel.Name)
			}
			return true
		})
	}
}

func importName(f goFile, lib string) string {
	for _, imp := range f.Imports {
		if imp.Path.Value != strconv.Quote(lib) {
			continue
		}
		if imp.Name != nil {
			return imp.Name.Name
		}
		return path.Base(lib)
	}
	return ""
}

// TestTidyExit keeps os.Exit in the one place that may end the process.
func TestTidyExit(t *testing.T) {
	for _, f := range sources(t) {
		if f.test() || strings.HasPrefix(f.path, "cmd/") || strings.HasPrefix(f.path, "e2e/") {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Exit" {
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == "os" {
					t.Errorf("%s: os.Exit belongs to cmd", f.fset.Position(sel.Pos()))
				}
			}
			return true
		})
	}
}
