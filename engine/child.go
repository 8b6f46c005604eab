package engine

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"syscall"

	"github.com/loopstart/loopstart/runtime"
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

// Limits of a build child.
const (
	buildMemory = 2 << 30 // bytes of address space; goja and esbuild reserve far more than they use
	buildCPU    = 15      // seconds
)

// BuildMain is the main function of a build child: it bundles a script, tries
// to compile it, evaluates its static config, and prints the result. What the
// source does to the compiler, it does to this process only.
func BuildMain(in io.Reader, out io.Writer) error {
	for limit, value := range map[int]uint64{syscall.RLIMIT_AS: buildMemory, syscall.RLIMIT_CPU: buildCPU, syscall.RLIMIT_CORE: 0} {
		_ = syscall.Setrlimit(limit, &syscall.Rlimit{Cur: value, Max: value})
	}
	var r scripts.BuildRequest
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return err
	}
	res := scripts.Bundle(r)
	if len(res.Errors) == 0 {
		inspect(r, &res)
	}
	return json.NewEncoder(out).Encode(res)
}

// inspect compiles the bundle and reads its static exports.
func inspect(r scripts.BuildRequest, res *scripts.BuildResult) {
	found, serr := runtime.Inspect(message.Bundle{Script: r.Script, Version: res.Version, Source: res.Source, Map: res.Map, Dir: r.Dir})
	if serr != nil {
		res.Errors = append(res.Errors, scripts.Diagnostic{Place: serr.Place, Message: serr.Name + ": " + serr.Message, Frame: serr.Frame, Hint: serr.Hint})
		return
	}
	res.Config = found.Config
	if _, err := ParseStatic(r.Script, found.Config); err != nil {
		res.Errors = append(res.Errors, scripts.Diagnostic{Place: r.Entry, Message: err.Error(), Hint: hintOf(err)})
	}
}
