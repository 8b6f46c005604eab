package docs_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/config"
)

// limit is one constant that bounds something.
type limit struct {
	folder, name, value, meaning, test string
	used                               bool // in code beside its declaration
}

var (
	limitName = regexp.MustCompile(`^([Mm]ax[A-Z]\w*|\w+(Capacity|Backlog|Queue|Limit|Most))$`)
)

// TestLimits generates LIMITS.md: the limits of the configuration, and every
// constant that is one.
func TestLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString(limitsIntro)
	b.WriteString("\n## Of the configuration\n\nKeys of `limits` in `loopstart.yaml`, unless written in full.\n\n| limit | default | meaning |\n|---|---|---|\n")
	for f := range keys(reflect.TypeFor[config.Limits]()) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.key, f.Tag.Get("default"), f.doc())
	}
	for _, k := range otherLimits {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k[0], k[1], k[2])
	}
	b.WriteString(constantsIntro)
	folder := ""
	all := constants(t)
	if len(all) < 100 {
		t.Fatalf("only %d limits found", len(all))
	}
	for _, l := range all {
		if l.folder != folder {
			folder = l.folder
			fmt.Fprintf(&b, "\n### %s\n\n| limit | value | meaning | beyond it | test |\n|---|---|---|---|---|\n", folder)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", l.name, l.value, l.meaning, beyondOf(l), l.test)
	}
	fresh(t, "LIMITS.md", b.String())
	settled(t, all)
}

// settled fails for a limit that nothing keeps to, that no test reaches, or of
// which nobody says what happens beyond it; and for what is said of none.
func settled(t *testing.T, all []limit) {
	named := map[string]bool{}
	for _, l := range all {
		full := l.folder + "." + l.name
		named[full] = true
		if !l.used {
			t.Errorf("%s: no code uses this limit: remove it, or keep to it", full)
		}
		if l.test == noTest {
			t.Errorf("%s: no test names this limit: write one at the limit, or give the reason in untested", full)
		}
		if untested[full] != "" && l.test != untested[full] {
			t.Errorf("%s: it has the test %s: take it out of untested", full, l.test)
		}
		if beyondOf(l) == "" {
			t.Errorf("%s: say in beyond what happens beyond this limit, and where it is counted", full)
		}
	}
	figures := metrics(t)
	for _, list := range []map[string]string{beyond, beyondAll} {
		for of, text := range list {
			for _, m := range metricName.FindAllStringSubmatch(text, -1) {
				if !strings.Contains(figures, `"`+m[1]+`"`) {
					t.Errorf("%s: there is no figure %s", of, m[1])
				}
			}
		}
	}
	for _, list := range []map[string]string{beyond, untested} {
		for name := range list {
			if !named[name] {
				t.Errorf("there is no limit %s", name)
			}
		}
	}
}

const limitsIntro = `# Limits

Generated from the code. Everything that can grow has a bound with a name. What
is over it is refused with the code ` + "`LIMIT`" + ` and that name, or dropped and counted;
nothing grows until memory ends. Figures of ` + "`/metrics`" + ` begin with ` + "`loopstart_`" + `.
`

const constantsIntro = `
## Constants

A constant is a limit if its name begins with Max or ends in Capacity, Backlog,
Queue, Limit or Most. What happens beyond it is counted in the figure named, or is said to
the caller; the test is one that takes the code to the limit by its name.
`

// otherLimits are keys outside of the section limits.
var otherLimits = [][3]string{
	{"media.ports", "40000-49999", "Two ports a leg; without a free pair a call gets 503."},
	{"media.timeout", "30s", "A call without any RTP for so long is ended."},
	{"scripts.limits.NAME", "none", "Calls at once, calls a second and longest call of one script."},
	{"routes[].max_calls", "none", "Calls at once on a route; more get 486."},
	{"sip.users.NAME.max_calls", "1", "Calls at once of a user."},
	{"trunks.NAME.max_calls, max_out, max_cps", "30, all, 5", "Calls at once, how many we start, and how many a second."},
	{"config.hook.rate", "none", "Requests a second to a script's onRequest; more get 429."},
	{"speech.tts.cache.max", "1GB", "Rendered prompts on disk."},
}

var metricName = regexp.MustCompile("`([a-z]+_[a-z_]+)`")

// metrics is the code of the engine, which names each figure as a text.
func metrics(t *testing.T) string {
	files, err := filepath.Glob(filepath.Join(root, "engine", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(src)
	}
	return b.String()
}

// constants finds the limits in the code.
func constants(t *testing.T) []limit {
	t.Helper()
	var out []limit
	all := map[string]*pkg{}
	for _, folder := range folders(t) {
		all[folder] = parsed(t, folder)
	}
	for _, folder := range slices.Sorted(maps.Keys(all)) {
		p := all[folder]
		for _, name := range p.order {
			c := p.consts[name]
			v, ok := p.value(c.expr, 0)
			if !ok || !limitName.MatchString(name) || v.Kind() == constant.String || noLimits[folder+"."+name] != "" {
				continue
			}
			out = append(out, limit{folder, name, show(c, v), c.meaning, testOf(all, folder, name), isUsed(all, folder, name)})
		}
	}
	return out
}

// folders are those of the program. Fakes of other systems are left out: what
// bounds them is their model, not a choice of ours.
func folders(t *testing.T) []string {
	var out []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, p)
		rel = filepath.ToSlash(rel)
		if err != nil || !d.IsDir() {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" || d.Name() == "fake" || slices.Contains([]string{"e2e", "docs", "examples", "bin", "cmd", "internal/deps", "stdlib/internal/scripttest", "store/storetest"}, rel) {
			return filepath.SkipDir
		}
		if files, _ := filepath.Glob(filepath.Join(p, "*.go")); len(files) > 0 && rel != "." {
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

type constantDecl struct {
	expr    ast.Expr
	text    string
	meaning string
}

// pkg is what is known of a folder.
type pkg struct {
	order  []string
	consts map[string]constantDecl
	tests  []testFunc
	words  map[string]int // names in the code: name, and package.name
}

// testFunc is a test, a function or a table of the tests; body is the names in
// it, without what only comments say.
type testFunc struct{ name, body string }

func parsed(t *testing.T, folder string) *pkg {
	p := &pkg{consts: map[string]constantDecl{}, words: map[string]int{}}
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		text := func(n ast.Node) string {
			return string(src[fset.Position(n.Pos()).Offset:fset.Position(n.End()).Offset])
		}
		if !strings.HasSuffix(name, "_test.go") {
			for _, word := range words(f) {
				p.words[word]++
			}
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if strings.HasSuffix(name, "_test.go") && d.Body != nil {
					p.tests = append(p.tests, testFunc{d.Name.Name, strings.Join(words(d.Body), " ")})
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR && strings.HasSuffix(name, "_test.go") {
					p.addTables(d)
				}
				if d.Tok == token.CONST && !strings.HasSuffix(name, "_test.go") {
					p.add(d, text)
				}
			}
		}
	}
	return p
}

func (p *pkg) add(d *ast.GenDecl, text func(ast.Node) string) {
	for _, s := range d.Specs {
		v := s.(*ast.ValueSpec)
		for i, n := range v.Names {
			if i >= len(v.Values) {
				continue
			}
			comment := v.Comment.Text()
			if comment == "" {
				comment = v.Doc.Text()
			}
			if comment == "" && len(d.Specs) == 1 {
				comment = d.Doc.Text()
			}
			p.order = append(p.order, n.Name)
			p.consts[n.Name] = constantDecl{v.Values[i], text(v.Values[i]), meaning(n.Name, comment)}
		}
	}
}

// meaning is the first sentence of a comment without the name.
func meaning(name, comment string) string {
	s := strings.Join(strings.Fields(comment), " ")
	if before, _, ok := strings.Cut(s, ". "); ok {
		s = before
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, name+" "), "is ")
	return strings.ReplaceAll(strings.TrimSuffix(s, "."), "|", "\\|")
}

// words are the names in a part of the code, those of packages also with it.
func words(n ast.Node) (out []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				out = append(out, x.Name+"."+n.Sel.Name)
			}
		case *ast.Ident:
			out = append(out, n.Name)
		}
		return true
	})
	return out
}

func (p *pkg) addTables(d *ast.GenDecl) {
	for _, s := range d.Specs {
		for _, n := range s.(*ast.ValueSpec).Names {
			p.tests = append(p.tests, testFunc{n.Name, strings.Join(words(s), " ")})
		}
	}
}

// testOf is the first test of the folder that names the constant, itself or in
// a function or table of the tests, or else a test of another folder.
func testOf(all map[string]*pkg, folder, name string) string {
	if found := all[folder].naming(name, 2); found != "" {
		return "`" + found + "`"
	}
	if !ast.IsExported(name) {
		return orReason(folder, name)
	}
	for _, other := range slices.Sorted(maps.Keys(all)) {
		if found := all[other].naming(path.Base(folder)+"."+name, 1); found != "" && path.Base(other) != path.Base(folder) {
			return "`" + found + "` of " + other
		}
	}
	return orReason(folder, name)
}

const noTest = "–"

func orReason(folder, name string) string { return cmp.Or(untested[folder+"."+name], noTest) }

// isUsed tells whether code of the folder, or for an exported name of another
// one, has the constant beside its declaration.
func isUsed(all map[string]*pkg, folder, name string) bool {
	if all[folder].words[name] > 1 {
		return true
	}
	for other, p := range all {
		if other != folder && ast.IsExported(name) && p.words[path.Base(folder)+"."+name] > 0 {
			return true
		}
	}
	return false
}

// naming is the first test that has the word, by way of so many functions.
func (p *pkg) naming(word string, depth int) string {
	pattern, by := regexp.MustCompile(`\b`+regexp.QuoteMeta(word)+`\b`), []string(nil)
	for _, f := range p.tests {
		switch match := strings.Contains(f.body, word) && pattern.MatchString(f.body); {
		case match && strings.HasPrefix(f.name, "Test"):
			return f.name
		case match && !strings.HasPrefix(f.name, "Fuzz") && !strings.HasPrefix(f.name, "Benchmark"):
			by = append(by, f.name)
		}
	}
	for _, f := range by {
		if depth > 0 {
			if found := p.naming(f, depth-1); found != "" {
				return found
			}
		}
	}
	return ""
}

// value evaluates a constant: numbers, names of the package, and package time.
func (p *pkg) value(e ast.Expr, depth int) (constant.Value, bool) {
	if depth > 20 {
		return nil, false
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		v := constant.MakeFromLiteral(e.Value, e.Kind, 0)
		return v, v.Kind() == constant.Int || v.Kind() == constant.Float
	case *ast.ParenExpr:
		return p.value(e.X, depth+1)
	case *ast.Ident:
		if c, ok := p.consts[e.Name]; ok {
			return p.value(c.expr, depth+1)
		}
	case *ast.SelectorExpr:
		if d, ok := units[e.Sel.Name]; ok {
			return constant.MakeInt64(int64(d)), true
		}
	case *ast.BinaryExpr:
		x, okX := p.value(e.X, depth+1)
		y, okY := p.value(e.Y, depth+1)
		if !okX || !okY {
			return nil, false
		}
		if e.Op == token.SHL {
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, token.SHL, uint(n)), true
		}
		return constant.BinaryOp(x, e.Op, y), true
	}
	return nil, false
}

var units = map[string]time.Duration{
	"Nanosecond": time.Nanosecond, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
}

// show writes a value: a time as one, sizes of shifts in binary units.
func show(c constantDecl, v constant.Value) string {
	n, whole := constant.Int64Val(constant.ToInt(v))
	switch {
	case strings.Contains(c.text, "time."):
		return time.Duration(n).String()
	case !whole:
		return v.String()
	case strings.Contains(c.text, "<<") && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case strings.Contains(c.text, "<<") && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case strings.Contains(c.text, "<<") && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
