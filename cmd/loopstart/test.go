package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/testrun"
)

var testVerb = verb{
	name: "test", args: "[pattern …] [--watch] [--update] [--trace]", summary: "run *.test.ts and *.test.js in virtual time",
	details: "Runs the tests of the scripts folder on the real call, media and script code, with a virtual clock, no network and an empty\n" +
		"store for each test. A pattern is a part of a file's path or of a test's name, or the path of a test file, a\n" +
		"script or a folder; what fits one of them is run. --watch runs again after each change;\n" +
		"--update writes the snapshots of timelines instead of comparing them. --trace shows the calls of all tests with each await:\n" +
		"its line, what it gave, and the variables. Exit status 12 when a test fails.",
	run: runTest,
}

func runTest(ctx context.Context, m *Main, args []string) error {
	fs := flags("test")
	watch := fs.Bool("watch", false, "run again after each change")
	update := fs.Bool("update", false, "write snapshots")
	trace := fs.Bool("trace", false, "show each await of the scripts")
	rest, err := parse(fs, args, -1)
	if err != nil {
		return err
	}
	o := testrun.Options{Update: *update, Trace: *trace, Patterns: rest}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	if *watch {
		return m.watchTests(ctx, o)
	}
	err = m.tests(ctx, o)
	if ctx.Err() != nil {
		return exitStatus(fault.ExitInterrupted)
	}
	return err
}

// tests runs all tests once.
func (m *Main) tests(ctx context.Context, run testrun.Options) error {
	cfg, err := m.load("", config.Options{Dev: true})
	if err != nil {
		return err
	}
	if zone, err := time.LoadLocation(cfg.Project.Zone); err == nil {
		time.Local = zone // scripts run in this process, and their dates know no other zone
	}
	var o engine.Options
	if err := children(&o); err != nil {
		return err
	}
	p := &testPrinter{Main: m, trace: run.Trace}
	run.Config, run.Builder, run.OnFile, run.OnResult = cfg, engine.ChildBuilder(o.Builder), p.file, p.result
	report, err := testrun.Run(ctx, run)
	if err != nil {
		return err
	}
	if err := p.report(report); err != nil {
		return err
	}
	switch {
	case report.Failed > 0:
		return exitStatus(fault.ExitTest)
	case ctx.Err() != nil:
		return nil
	case len(report.Unmatched) > 0:
		return fault.New(fault.NotFound, "no test matches %q", strings.Join(report.Unmatched, `", "`)).WithExit(fault.ExitTest).
			WithHint("a pattern is a part of a file's path or of a test's name, or a path such as scripts/hello.test.ts")
	case report.Passed+report.Skipped == 0:
		return noTests()
	}
	return nil
}

func noTests() error {
	return fault.New(fault.NotFound, "there are no tests").WithExit(fault.ExitTest).
		WithHint("tests are files such as scripts/hello.test.ts; see docs/testing.md")
}

// testPrinter shows tests as they end.
type testPrinter struct {
	*Main
	trace bool // the calls of tests that passed are shown too
}

func (p *testPrinter) file(name string) {
	if p.global.output == "text" {
		fmt.Fprintln(p.Stdout, p.bold(name))
	}
}

func (p *testPrinter) result(r testrun.Result) {
	switch p.global.output {
	case "ndjson":
		raw, err := json.Marshal(r)
		if err == nil {
			fmt.Fprintf(p.Stdout, "%s\n", raw)
		}
	case "text":
		p.line(r)
	}
}

func (p *testPrinter) line(r testrun.Result) {
	switch r.State {
	case "skipped":
		fmt.Fprintf(p.Stdout, "  %s %s\n", p.paintOut("33", "-"), p.paintOut("2", r.Name))
	case "passed":
		fmt.Fprintf(p.Stdout, "  %s %s  %s\n", p.paintOut("32", "✓"), r.Name, p.paintOut("2", spent(r)))
		p.printed(r)
		if p.trace {
			p.calls(r)
		}
	default:
		fmt.Fprintf(p.Stdout, "  %s %s  %s\n", p.paintOut("31;1", "✗"), r.Name, p.paintOut("2", spent(r)))
		p.printed(r)
		p.failure(r)
	}
}

// printed shows what the test wrote to the console.
func (p *testPrinter) printed(r testrun.Result) {
	if len(r.Printed) > 0 {
		p.indented(strings.Join(r.Printed, "\n"), "    ")
	}
}

// spent is how long a test took by both clocks.
func spent(r testrun.Result) string {
	return fmt.Sprintf("%s virtual, %d ms", clockText(r.VirtualMs), r.RealMs)
}

func clockText(ms int64) string {
	if d := time.Duration(ms) * time.Millisecond; d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1f s", float64(ms)/1000)
}

// failure shows why a test failed: the error, the line, the calls, the log.
func (p *testPrinter) failure(r testrun.Result) {
	p.explainFailure(r.Error)
	p.calls(r)
	if !p.trace {
		p.indented(p.paintOut("2", "each await with its values: loopstart test --trace "+strconv.Quote(r.Name)), "    ")
	}
	fmt.Fprintln(p.Stdout)
}

// calls shows the calls of a test and what was logged.
func (p *testPrinter) calls(r testrun.Result) {
	for _, c := range r.Calls {
		fmt.Fprintf(p.Stdout, "    %s\n", p.bold("call "+c.ID+" "+c.Script))
		var b strings.Builder
		printTimeline(&b, c.Timeline, p.paintOut)
		p.indented(b.String(), "  ")
		if c.Record != nil {
			p.indented("  "+summary(*c.Record), "  ")
		}
	}
	if len(r.Log) > 0 {
		fmt.Fprintf(p.Stdout, "    %s\n", p.bold("log"))
		p.indented(strings.Join(r.Log, "\n"), "      ")
	}
}

func (p *testPrinter) explainFailure(f *testrun.Failure) {
	place := ""
	if f.Place != "" {
		place = f.Place + ": "
	}
	p.indented(p.paintOut("31", place+f.Message), "    ")
	if f.Frame != "" {
		p.indented(strings.TrimRight(f.Frame, "\n"), "    ")
	}
	if f.Hint != "" {
		p.indented(p.paintOut("36", "hint: ")+f.Hint, "    ")
	}
}

func (p *testPrinter) indented(text, by string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(p.Stdout, "%s%s\n", by, strings.TrimRight(line, "\n"))
	}
}

// report shows what concerns the whole run.
func (p *testPrinter) report(r *testrun.Report) error {
	switch p.global.output {
	case "json":
		return p.answer(r, nil)
	case "ndjson":
		files := r.Files
		r.Files = nil
		for _, f := range files {
			if f.Error != nil {
				r.Files = append(r.Files, testrun.File{Name: f.Name, Error: f.Error})
			}
		}
		raw, err := json.Marshal(r)
		fmt.Fprintf(p.Stdout, "%s\n", raw)
		return err
	}
	for _, f := range r.Files {
		if f.Error != nil {
			fmt.Fprintln(p.Stdout, p.bold(f.Name))
			p.explainFailure(f.Error)
		}
	}
	p.menus(r.Menus)
	for _, s := range r.Snapshots.Written {
		fmt.Fprintf(p.Stdout, "snapshot written: %s\n", s)
	}
	for _, s := range r.Snapshots.Updated {
		fmt.Fprintf(p.Stdout, "snapshot updated: %s\n", s)
	}
	p.total(r)
	return nil
}

// menus shows which choices no test has taken.
func (p *testPrinter) menus(list []testrun.Menu) {
	var missed []testrun.Menu
	all, taken := 0, 0
	for _, m := range list {
		all += len(m.Choices)
		taken += len(m.Choices) - len(m.Missed())
		if len(m.Missed()) > 0 {
			missed = append(missed, m)
		}
	}
	if all == 0 || p.global.quiet {
		return
	}
	fmt.Fprintf(p.Stdout, "menus: %d of %d choices were pressed\n", taken, all)
	for _, m := range missed {
		fmt.Fprintf(p.Stdout, "  %s  %s\n", m.Place, p.paintOut("33", "never pressed: "+strings.Join(m.Missed(), ", ")))
	}
}

func (p *testPrinter) total(r *testrun.Report) {
	if r.Passed+r.Failed+r.Skipped == 0 {
		return
	}
	words := []string{fmt.Sprintf("%d passed", r.Passed)}
	if r.Failed > 0 {
		words = append(words, p.paintOut("31;1", fmt.Sprintf("%d failed", r.Failed)))
	}
	if r.Skipped > 0 {
		words = append(words, fmt.Sprintf("%d skipped", r.Skipped))
	}
	fmt.Fprintf(p.Stdout, "%s in %.1f s (%s of virtual time)\n", strings.Join(words, ", "), float64(r.RealMs)/1000, clockText(r.VirtualMs))
}

// lookEvery is how often --watch looks for changes.
const lookEvery = 300 * time.Millisecond

// watchTests runs the tests again after each change, until it is interrupted.
func (m *Main) watchTests(ctx context.Context, o testrun.Options) error {
	for {
		before := m.fingerprint()
		if err := m.tests(ctx, o); err != nil {
			m.fail(err)
		}
		if ctx.Err() == nil {
			m.progress("%s", m.paint("2", "waiting for a change; Ctrl-C ends it"))
		}
		for m.fingerprint() == before {
			again := make(chan struct{})
			t := clock.System().AfterFunc(lookEvery, func() { close(again) })
			select {
			case <-again:
			case <-ctx.Done():
				t.Stop()
				return exitStatus(fault.ExitInterrupted)
			}
		}
	}
}

// fingerprint is another one whenever a file of the project has changed that
// the tests depend on.
func (m *Main) fingerprint() uint64 {
	h := fnv.New64a()
	dir := "scripts"
	if cfg, err := m.load("", config.Options{Dev: true}); err == nil {
		if dir = cfg.Scripts.Dir; !filepath.IsAbs(dir) {
			dir = filepath.Join(cfg.Dir, dir)
		}
	}
	note := func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // it may be gone this moment
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "__snapshots__"):
			return filepath.SkipDir
		}
		if info, err := d.Info(); err == nil {
			fmt.Fprintf(h, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	}
	_ = filepath.WalkDir(dir, note) // a folder that is not there has a fingerprint too
	path := m.global.config
	if path == "" {
		path = config.FileName
	}
	_ = filepath.WalkDir(path, note)
	return h.Sum64()
}
