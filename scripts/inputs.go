package scripts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/loopstart/loopstart/internal/suggest"
)

// builtinScheme is what the names of built-in modules begin with.
const builtinScheme = "loopstart:"

// inputs is the plugin through which esbuild reads: it knows exactly what was
// bundled, whatever happened to the files since, and refuses what the parser
// should not see. esbuild calls it from several goroutines.
type inputs struct {
	dir     string
	roots   []string // real folders that data may be read from
	modules map[string][]string

	mu      sync.Mutex
	hashes  map[string]string // file relative to dir → SHA-256
	texts   map[string]string // file relative to dir → content
	modUsed map[string]bool
}

func newInputs(r BuildRequest) *inputs {
	return &inputs{dir: r.Dir, roots: dataRoots(r.Dir), modules: r.Modules,
		hashes: map[string]string{}, texts: map[string]string{}, modUsed: map[string]bool{}}
}

func (in *inputs) plugin() api.Plugin {
	return api.Plugin{Name: "loopstart", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: "^" + builtinScheme}, in.resolve)
		b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "loopstart"}, in.builtin)
		b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, in.load)
	}}
}

// resolve sends an author's import of a built-in module to a list of its
// exports, whose own import of it stays in the bundle.
func (in *inputs) resolve(a api.OnResolveArgs) (api.OnResolveResult, error) {
	if a.Namespace == "loopstart" {
		return api.OnResolveResult{Path: a.Path, External: true, SideEffects: api.SideEffectsFalse}, nil
	}
	if _, ok := in.modules[a.Path]; !ok {
		return api.OnResolveResult{Errors: []api.Message{{Text: "there is no module " + a.Path,
			Detail: in.moduleHint(a.Path)}}}, nil
	}
	in.mu.Lock()
	in.modUsed[a.Path] = true
	in.mu.Unlock()
	return api.OnResolveResult{Path: strings.TrimPrefix(a.Path, builtinScheme), Namespace: "loopstart",
		SideEffects: api.SideEffectsFalse}, nil
}

// laterModules come with later versions.
var laterModules = []string{"loopstart:campaign", "loopstart:messages",
	"loopstart:bitrix24", "loopstart:retailcrm", "loopstart:test"}

func (in *inputs) moduleHint(path string) string {
	if slices.Contains(laterModules, path) {
		return path + " is not in this version"
	}
	names := in.moduleNames()
	if near := suggest.Nearest(path, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "there are " + listed(names, 20)
}

func (in *inputs) moduleNames() []string {
	var names []string
	for m := range in.modules {
		names = append(names, m)
	}
	slices.Sort(names)
	return names
}

// builtin is the list of a module's exports. A re-export keeps every use in
// the bundle a property access on the module, so that it is made only when it
// is used, and lets esbuild check the names.
func (in *inputs) builtin(a api.OnLoadArgs) (api.OnLoadResult, error) {
	names := in.modules[builtinScheme+a.Path]
	text := fmt.Sprintf("export {%s} from %q;", strings.Join(names, ", "), builtinScheme+a.Path)
	return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
}

// load reads a file under the limits of the package.
func (in *inputs) load(a api.OnLoadArgs) (api.OnLoadResult, error) {
	loader, ok := loaders[filepath.Ext(a.Path)]
	if !ok || loader == api.LoaderText && a.With["type"] == "bytes" { // esbuild would read it past every limit
		return failed("a script cannot import a file of this kind", "it takes .ts, .js, .mjs, .cjs, .mts, .json and .txt; sounds are played by name"), nil
	}
	name := in.name(a.Path)
	if (loader == api.LoaderJSON || loader == api.LoaderText) && !in.mayRead(a.Path) {
		return failed("a script may import data from the scripts folder and from packages only", "copy it there; secrets come from secrets.get of loopstart:core"), nil
	}
	text, err := in.read(a.Path, name)
	if err != nil {
		return api.OnLoadResult{}, err
	}
	if refused, at := refuse(text); refused != "" {
		return api.OnLoadResult{Errors: []api.Message{{Text: refused, Location: location(name, text, at)}}}, nil
	}
	return api.OnLoadResult{Contents: &text, Loader: loader, ResolveDir: filepath.Dir(a.Path)}, nil
}

func failed(text, hint string) api.OnLoadResult {
	return api.OnLoadResult{Errors: []api.Message{{Text: text, Detail: hint}}}
}

// dataRoots are the scripts folder and what links in it lead to. An upload
// links to the scripts folder it lies in.
func dataRoots(dir string) []string {
	list := []string{realPath(dir)}
	if up := filepath.Dir(dir); filepath.Base(dir) == newFolder && strings.HasPrefix(filepath.Base(up), stagePrefix) {
		list = append(list, realPath(filepath.Dir(up)))
	}
	items, err := os.ReadDir(dir)
	if err != nil {
		return list // the build says so
	}
	for _, item := range items {
		if item.Type()&os.ModeSymlink != 0 {
			list = append(list, realPath(filepath.Join(dir, item.Name())))
		}
	}
	return list
}

// mayRead keeps what is no script out of bundles: whoever may upload a script
// would read every file of this machine otherwise.
func (in *inputs) mayRead(path string) bool {
	real := realPath(path)
	if strings.Contains(filepath.ToSlash(real), "/node_modules/") {
		return true
	}
	return slices.ContainsFunc(in.roots, func(root string) bool {
		rel, err := filepath.Rel(root, real)
		return err == nil && filepath.IsLocal(rel)
	})
}

var loaders = map[string]api.Loader{
	".ts": api.LoaderTS, ".mts": api.LoaderTS, ".js": api.LoaderJS, ".mjs": api.LoaderJS, ".cjs": api.LoaderJS,
	".json": api.LoaderJSON, ".txt": api.LoaderText,
}

// read takes a file's content once per build, so that both passes and the hash
// see the same bytes.
func (in *inputs) read(path, name string) (string, error) {
	in.mu.Lock()
	text, ok := in.texts[name]
	in.mu.Unlock()
	if ok {
		return text, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, MaxSourceBytes+1))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.texts) >= MaxInputs {
		return "", fmt.Errorf("a script may be made of at most %d files", MaxInputs)
	}
	in.hashes[name], in.texts[name] = hex.EncodeToString(sum[:]), string(body)
	return string(body), nil
}

// name is a file relative to the scripts folder with slashes.
func (in *inputs) name(path string) string {
	rel, err := filepath.Rel(in.dir, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	return filepath.ToSlash(rel)
}

func (in *inputs) uses() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := []string{}
	for m := range in.modUsed {
		list = append(list, m)
	}
	slices.Sort(list)
	return list
}

// largest are the inputs by size, greatest first.
func (in *inputs) largest() []string {
	var names []string
	for name := range in.texts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(in.texts[b]) - len(in.texts[a]) })
	return names
}

// version names the content: what went in and, since the binary may change
// between two starts, what came out.
func (in *inputs) version(entry, source string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", bundleFormat, entry)
	var names []string
	for name := range in.hashes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(h, "%s %s\n", in.hashes[name], name)
	}
	_, _ = io.WriteString(h, source) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// location is a place in a text as esbuild wants it.
func location(name, text string, at int) *api.Location {
	before := text[:at]
	start := strings.LastIndexByte(before, '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	return &api.Location{File: name, Line: strings.Count(before, "\n") + 1, Column: at - start, Length: 1, LineText: line}
}
