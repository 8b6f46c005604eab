// Package docs_test keeps the documents true: links lead somewhere, samples
// parse and build, addresses of the API exist, and what is generated from the
// code is fresh.
package docs_test

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/scripts"
)

const root = ".."

// document is one Markdown file.
type document struct {
	path string // relative to the repository
	text string
}

func documents(t *testing.T) []document {
	t.Helper()
	var out []document
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(p) != ".md":
			return nil
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(root, p)
		out = append(out, document{filepath.ToSlash(rel), string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d documents found", len(out))
	}
	return out
}

// block is one fenced sample.
type block struct {
	where string // file:line
	lang  string
	text  string
}

func (d document) blocks() []block {
	var out []block
	var open *block
	for i, line := range strings.Split(d.text, "\n") {
		fence, ok := strings.CutPrefix(line, "```")
		switch {
		case ok && open == nil:
			open = &block{where: fmt.Sprintf("%s:%d", d.path, i+1), lang: strings.TrimSpace(fence)}
		case ok:
			out, open = append(out, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return out
}

// samples calls check for every block of the language.
func samples(t *testing.T, lang string, atLeast int, check func(t *testing.T, b block)) {
	n := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks() {
			if b.lang == lang {
				n++
				t.Run(b.where, func(t *testing.T) { check(t, b) })
			}
		}
	}
	if n < atLeast {
		t.Errorf("only %d %s samples found", n, lang)
	}
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	notInURL = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// TestLinks follows every link that stays in the repository.
func TestLinks(t *testing.T) {
	texts := map[string]string{}
	for _, d := range documents(t) {
		texts[d.path] = d.text
	}
	for from, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := from
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(from), target))
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: %s leads nowhere", from, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(texts[to]), anchor) {
				t.Errorf("%s: %s: no such heading", from, m[1])
			}
		}
	}
}

func anchors(text string) []string {
	var out []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		out = append(out, strings.ReplaceAll(notInURL.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return out
}

// TestConfigurations parses every YAML sample; variables have any value.
func TestConfigurations(t *testing.T) {
	variable := regexp.MustCompile(`\$\{(\w+)`)
	samples(t, "yaml", 6, func(t *testing.T, b block) {
		env := map[string]string{}
		for _, m := range variable.FindAllStringSubmatch(b.text, -1) {
			env[m[1]] = "x-" + m[1]
		}
		if _, err := config.Parse([]byte(b.text), "loopstart.yaml", config.Options{Env: env}); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// TestScripts bundles every script sample. One without an export is the inside
// of a default export.
func TestScripts(t *testing.T) {
	modules := engine.Modules()
	samples(t, "ts", 15, func(t *testing.T, b block) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "sample.ts"), []byte(whole(b.text)), 0o600); err != nil {
			t.Fatal(err)
		}
		res := scripts.Bundle(scripts.BuildRequest{Dir: dir, Script: "sample", Entry: "sample.ts", Modules: modules})
		for _, e := range append(res.Errors, res.Warnings...) {
			t.Errorf("%s\n%s", e, e.Frame)
		}
	})
}

func whole(text string) string {
	if strings.Contains(text, "export ") {
		return text
	}
	var imports, body []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "import ") {
			imports = append(imports, line)
		} else {
			body = append(body, line)
		}
	}
	return strings.Join(imports, "\n") + "\nexport default async function (call) {\n" + strings.Join(body, "\n") + "\n}\n"
}

func TestJSON(t *testing.T) {
	samples(t, "json", 2, func(t *testing.T, b block) {
		if strings.HasPrefix(b.where, "stdlib/WIRE.md") {
			t.Skip("shapes, not values")
		}
		if !json.Valid([]byte(b.text)) {
			t.Error("is no JSON")
		}
	})
}

var (
	address = regexp.MustCompile(`(?:(GET|POST|PUT|PATCH|DELETE) )?(/(?:v1/[a-z][^\s"'` + "`" + `)|]*|healthz|readyz|metrics))`)
	curlX   = regexp.MustCompile(`-X (\w+)`)
	inPath  = regexp.MustCompile(`\{[^}]+\}`)
)

// TestAddresses looks every address of the API up in the OpenAPI document.
func TestAddresses(t *testing.T) {
	d := openAPI(t)
	n := 0
	for _, doc := range documents(t) {
		if doc.path == "CHANGELOG.md" {
			continue
		}
		for i, line := range strings.Split(doc.text, "\n") {
			for _, m := range address.FindAllStringSubmatch(line, -1) {
				method := m[1]
				if x := curlX.FindStringSubmatch(line); x != nil {
					method = x[1]
				}
				path, _, _ := strings.Cut(strings.TrimRight(m[2], ".,;:…/*"), "?")
				if strings.HasPrefix(path, "/v1/audio") {
					continue // of a speech server
				}
				n++
				if !known(d, strings.ToLower(method), path) {
					t.Errorf("%s:%d: there is no %s %s", doc.path, i+1, method, path)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d addresses found", n)
	}
}

func known(d openAPIDocument, method, path string) bool {
	for pattern, ops := range d.Paths {
		exp := "^" + inPath.ReplaceAllString(regexp.QuoteMeta(strings.NewReplacer("{", "\x01", "}", "\x02").Replace(pattern)), "") + "$"
		exp = regexp.MustCompile("\x01[^\x02]*\x02").ReplaceAllString(exp, `.+`)
		if ok, _ := regexp.MatchString(exp, path); !ok {
			continue
		}
		if _, has := ops[method]; has || method == "" {
			return true
		}
	}
	return false
}

type openAPIDocument struct {
	Paths      map[string]map[string]any `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

func openAPI(t *testing.T) (d openAPIDocument) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "api", "openapi.json"))
	if err == nil {
		err = json.Unmarshal(raw, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// forbidden are texts that no document holds: marks of unfinished work, and
// paths and hosts of one particular machine.
var forbidden = []*regexp.Regexp{
	regexp.MustCompile(`\b(TODO|FIXME|XXX|TBD)\b`),
	regexp.MustCompile(`(?i)lorem ipsum`),
	regexp.MustCompile(`(^|[^\w.])/(work|home|root|Users|tmp)/`),
	regexp.MustCompile(`(?i)\b(localhost:\d{5}|[\w.-]+\.(internal|corp|lan))\b`),
	regexp.MustCompile(`(?i)\b(proxy\.golang\.org|goproxy|registry\.npmjs\.org|artifactory|nexus)\b`),
	regexp.MustCompile(`(?i)\b(simply|easily|blazing|seamless\w*|leverag\w+|cutting.edge|world.class)\b`),
}

func TestWords(t *testing.T) {
	for _, d := range documents(t) {
		for i, line := range strings.Split(d.text, "\n") {
			for _, f := range forbidden {
				if m := f.FindString(line); m != "" {
					t.Errorf("%s:%d: %q", d.path, i+1, strings.TrimSpace(m))
				}
			}
		}
	}
}

// TestDependencies: every module that the code imports has its line of reasons,
// and no other has.
func TestDependencies(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := os.ReadFile("DECISIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	used := imports(t)
	n := 0
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.Contains(f[0], ".") || !strings.HasPrefix(f[1], "v") || strings.Contains(line, "// indirect") {
			continue
		}
		n++
		here := slices.ContainsFunc(used, func(path string) bool { return path == f[0] || strings.HasPrefix(path, f[0]+"/") })
		if told := strings.Contains(string(decisions), "| `"+f[0]+"` |"); told != here {
			t.Errorf("%s: imported: %v, told of in DECISIONS.md: %v", f[0], here, told)
		}
	}
	if n == 0 {
		t.Error("no module found in go.mod")
	}
}

// imports are the foreign packages that the code imports.
func imports(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, folder := range append(folders(t), "cmd/loopstart", "e2e") {
		files, _ := filepath.Glob(filepath.Join(root, folder, "*.go"))
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imp := range f.Imports {
				path, _ := strconv.Unquote(imp.Path.Value)
				out = append(out, path)
			}
		}
	}
	return out
}

// TestCommands: what the documents call is a command that exists.
func TestCommands(t *testing.T) {
	verbs := []string{"init", "dev", "run", "call", "test", "check", "calls", "scripts", "campaign", "why", "flow", "groups", "users", "trunk", "bans", "outbox", "erase", "audit", "backup", "restore", "config", "doctor", "bench", "version", "help", "completion"}
	inline := regexp.MustCompile("`(?:bin/)?loopstart ([a-z]+)")
	line := regexp.MustCompile(`(?m)^(?:bin/)?loopstart ([a-z]+)`)
	n := 0
	check := func(where, verb string) {
		if n++; !slices.Contains(verbs, verb) {
			t.Errorf("%s: loopstart %s: no such command", where, verb)
		}
	}
	for _, d := range documents(t) {
		for _, m := range inline.FindAllStringSubmatch(d.text, -1) {
			check(d.path, m[1])
		}
		for _, b := range d.blocks() {
			for _, m := range line.FindAllStringSubmatch(b.text, -1) {
				check(b.where, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d commands found", n)
	}
}
