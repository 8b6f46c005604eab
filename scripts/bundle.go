package scripts

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/loopstart/loopstart/internal/suggest"
)

// bundleFormat is part of every version: it changes when the same sources
// would give another bundle.
const bundleFormat = "1"

// Bundle runs esbuild for one script: TypeScript and JavaScript modules become
// one CommonJS program of ES2022, without the features the engine lacks. What
// the script imports from "loopstart:…" stays a require call; packages of
// node_modules are bundled.
//
// It recurses as deep as the source does and may take long on a hostile one,
// so it belongs in a child process with limits.
func Bundle(r BuildRequest) BuildResult {
	in := newInputs(r)
	out := api.Build(buildOptions(r, in, api.FormatCommonJS))
	res := BuildResult{Inputs: in.hashes, Uses: in.uses(),
		Errors: in.diagnostics(out.Errors, r), Warnings: []Diagnostic{}}
	for _, m := range out.Warnings {
		d := in.diagnostic(m, r)
		if fatalWarnings[m.ID] {
			res.Errors = append(res.Errors, d)
		} else if len(res.Warnings) < MaxDiagnostics {
			res.Warnings = append(res.Warnings, d)
		}
	}
	for _, f := range out.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			res.Map = string(f.Contents)
		} else {
			res.Source = string(f.Contents)
		}
	}
	if len(res.Errors) == 0 && !r.Test {
		res.check(r, in)
	}
	if len(res.Errors) > 0 {
		res.Source, res.Map = "", ""
	}
	slices.SortStableFunc(res.Errors, func(a, b Diagnostic) int { return comparePlaces(a.Place, b.Place) })
	res.Errors = res.Errors[:min(len(res.Errors), MaxDiagnostics)]
	res.Version = in.version(r.Entry, res.Source)
	return res
}

// fatalWarnings are esbuild's warnings about what could only go wrong later.
var fatalWarnings = map[string]bool{
	"bigint":              true,
	"import-is-undefined": true,
}

func buildOptions(r BuildRequest, in *inputs, format api.Format) api.BuildOptions {
	_, err := os.Lstat(filepath.Join(r.Dir, "..data"))
	footer := map[string]string{}
	if r.Test {
		footer["js"] = `module.exports = { default: require("loopstart:test").$run };`
	}
	return api.BuildOptions{
		AbsWorkingDir: r.Dir,
		EntryPoints:   []string{filepath.Join(r.Dir, filepath.FromSlash(r.Entry))},
		Outfile:       filepath.Join(r.Dir, "bundle.js"), // never written: it makes source names relative to Dir
		Bundle:        true,
		Write:         false,
		Metafile:      true,
		Format:        format,
		Banner:        map[string]string{"js": `"use strict";`}, // as ES modules are
		Footer:        footer,
		Target:        api.ES2022,
		// bigint: a constant such as 2n**(2n**31n) blocks the engine's compiler.
		Supported: map[string]bool{"async-generator": false, "for-await": false, "bigint": false},
		Platform:  api.PlatformNeutral,
		// Of packages that come in several builds, the one that needs no Node.
		MainFields:  []string{"browser", "module", "main"},
		Conditions:  []string{"browser", "module", "import", "default"},
		Define:      map[string]string{"process.env.NODE_ENV": `"production"`},
		TsconfigRaw: "{}", // an author's tsconfig.json is for the editor
		// In a mounted config folder every file is a link into ..data, and its
		// real name changes with each update.
		PreserveSymlinks:  err == nil,
		Sourcemap:         api.SourceMapExternal,
		SourcesContent:    api.SourcesContentInclude,
		LegalComments:     api.LegalCommentsNone,
		Charset:           api.CharsetUTF8,
		LogLevel:          api.LogLevelSilent,
		LogLimit:          MaxDiagnostics,
		ResolveExtensions: []string{".ts", ".js", ".mts", ".mjs", ".cjs", ".json"},
		Plugins:           []api.Plugin{in.plugin()},
	}
}

// entryExports are the names that the engine calls or reads, with what is to
// be said about those that do nothing yet.
var entryExports = map[string]string{
	"default": "", "config": "", "afterCall": "", "beforeAttempt": "", "onRequest": "", "onSchedule": "", "onFlow": "",
	"onMessage": "",
}

// check looks at a bundle that compiled: its size and its exports.
func (res *BuildResult) check(r BuildRequest, in *inputs) {
	if len(res.Source) > MaxSourceBytes {
		res.Errors = append(res.Errors, Diagnostic{Place: r.Entry + ":1:1",
			Message: fmt.Sprintf("the bundle is %d bytes; the limit is %d", len(res.Source), MaxSourceBytes),
			Hint:    "the greatest parts are " + listed(in.largest(), 3)})
		return
	}
	res.Exports = exports(r, in)
	runs := false
	for _, name := range res.Exports {
		note, known := entryExports[name]
		runs = runs || known && name != "config"
		near := ""
		if !known {
			near = suggest.Nearest(name, []string{"default", "config", "afterCall", "beforeAttempt", "onRequest", "onSchedule", "onFlow", "onMessage"})
		}
		if near != "" && suggest.Distance(strings.ToLower(name), strings.ToLower(near)) < 3 {
			note = fmt.Sprintf("the export %s is not called by anything; did you mean %s?", name, near)
		}
		if note != "" {
			res.Warnings = append(res.Warnings, Diagnostic{Place: r.Entry + ":1:1", Message: note})
		}
	}
	if !runs {
		res.Errors = append(res.Errors, Diagnostic{Place: r.Entry + ":1:1",
			Message: "the script has no default export, so there is nothing to run",
			Hint:    "begin with: export default async function (call) { await call.answer(); }"})
	}
}

// exports are the entry's exported names. esbuild tells them for ES modules
// only, so the graph is linked once more in that format.
func exports(r BuildRequest, in *inputs) []string {
	out := api.Build(buildOptions(r, in, api.FormatESModule))
	var meta struct {
		Outputs map[string]struct {
			Exports    []string `json:"exports"`
			EntryPoint string   `json:"entryPoint"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(out.Metafile), &meta); err != nil {
		return nil // no metafile: a build with errors, which the first one would have had too
	}
	for _, o := range meta.Outputs {
		if o.EntryPoint != "" {
			slices.Sort(o.Exports)
			return o.Exports
		}
	}
	return nil
}

// comparePlaces orders file:line:col by file, then by number.
func comparePlaces(a, b string) int {
	fileA, lineA, colA := splitPlace(a)
	fileB, lineB, colB := splitPlace(b)
	return cmp.Or(strings.Compare(fileA, fileB), cmp.Compare(lineA, lineB), cmp.Compare(colA, colB))
}

func splitPlace(place string) (file string, line, col int) {
	parts := strings.Split(place, ":")
	if len(parts) < 3 {
		return place, 0, 0
	}
	n := len(parts)
	_, _ = fmt.Sscan(parts[n-2], &line) // zero when it is no number, which only sorts it first
	_, _ = fmt.Sscan(parts[n-1], &col)
	return strings.Join(parts[:n-2], ":"), line, col
}
