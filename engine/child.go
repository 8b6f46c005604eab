package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"unicode/utf8"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/lockdown"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/stdlib"
)

// Modules are the built-in modules and what each exports, for the bundler.
func Modules() map[string][]string { return stdlib.Exports() }

// WorkerMain is the main function of a script worker process; it talks over
// standard input and output.
func WorkerMain(log *slog.Logger) error {
	in, out, err := runtime.Stdio()
	if err != nil {
		return err
	}
	return runtime.Serve(context.Background(), in, out, stdlib.Worker(runtime.Options{Log: log}))
}

// BuildMain is the main function of a build child: it bundles a script, tries
// to compile it, evaluates its static config, and prints the result. What the
// source does to the compiler, it does to this process only.
func BuildMain(in io.Reader, out io.Writer) error {
	var r scripts.BuildRequest
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return err
	}
	// What the kernel cannot do, the worker of the script logs.
	_ = lockdown.Apply(lockdown.Build(buildReads(r.Dir)))
	return json.NewEncoder(out).Encode(build(r))
}

// build bundles a script and, unless it is a test, compiles it and reads its
// static exports.
func build(r scripts.BuildRequest) scripts.BuildResult {
	res := scripts.Bundle(r)
	if len(res.Errors) == 0 && !r.Test {
		inspect(r, &res)
	}
	return res
}

// buildReads are the folders and files that a build may read: the scripts, what
// their links lead to, and packages in the folders above.
func buildReads(dir string) []string {
	read := []string{dir}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return read // the build says so
	}
	for _, e := range entries {
		if e.Type()&os.ModeSymlink == 0 {
			continue
		}
		if target, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name())); err == nil {
			read = append(read, target)
		}
	}
	for above := filepath.Dir(dir); ; above = filepath.Dir(above) {
		for _, name := range []string{"node_modules", "package.json", "tsconfig.json", "jsconfig.json"} {
			read = append(read, filepath.Join(above, name))
		}
		if above == filepath.Dir(above) {
			return read
		}
	}
}

// inspect compiles the bundle and reads its static exports.
func inspect(r scripts.BuildRequest, res *scripts.BuildResult) {
	found, serr := runtime.Inspect(message.Bundle{Script: r.Script, Version: res.Version, Source: res.Source, Map: res.Map, Dir: r.Dir})
	if serr != nil {
		d := scripts.Diagnostic{Place: serr.Place, Message: serr.Name + ": " + serr.Message, Frame: serr.Frame, Hint: serr.Hint}
		if d.Place == "" {
			d.Place, d.Frame = configPlace(r)
		}
		res.Errors = append(res.Errors, d)
		return
	}
	res.Config, res.Flow = found.Config, found.Flow
	st, err := ParseStatic(r.Script, found.Config)
	if err == nil {
		for _, w := range scheduleWarnings(st, res.Exports) {
			w.Place, w.Frame = configPlace(r)
			res.Warnings = append(res.Warnings, w)
		}
	} else {
		place, frame := configPlace(r)
		res.Errors = append(res.Errors, scripts.Diagnostic{Place: place, Message: err.Error(), Frame: frame, Hint: hintOf(err)})
	}
}

var configExport = regexp.MustCompile(`(?m)^[ \t]*export\s+(?:const|let|var)\s+(config)\b`)

// configPlace is where a script's config begins, for errors that are about a
// value of it; without one, the script's beginning.
func configPlace(r scripts.BuildRequest) (place, frame string) {
	text, err := os.ReadFile(filepath.Join(r.Dir, filepath.FromSlash(r.Entry)))
	if err != nil {
		return r.Entry + ":1:1", ""
	}
	line, col := 1, 1
	if at := configExport.FindSubmatchIndex(text); at != nil {
		line += bytes.Count(text[:at[2]], []byte("\n"))
		col += utf8.RuneCount(text[bytes.LastIndexByte(text[:at[2]], '\n')+1 : at[2]])
	}
	return fmt.Sprintf("%s:%d:%d", r.Entry, line, col), scripts.CodeFrame(string(text), line, col, true)
}
