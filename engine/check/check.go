// Package check finds what is wrong with a project without running it: it builds
// the scripts, reads them for what can only fail later, and holds the
// configuration against them. `loopstart check` prints its report.
package check

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/scripts"
)

// Level is how much a finding of a check matters.
type Level string

// The levels. Only errors make a check fail.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
	LevelNote    Level = "note"
)

// Areas of findings.
const (
	areaConfig = "config"
	areaScript = "script"
)

// Finding is one thing that a check has to say.
type Finding struct {
	Level   Level      `json:"level"`
	Area    string     `json:"area"` // config or script
	Code    fault.Code `json:"code,omitempty"`
	Script  string     `json:"script,omitempty"`
	Place   string     `json:"place,omitempty"` // file:line:col; of a script relative to the scripts folder
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	Frame   string     `json:"frame,omitempty"`
}

// Fault is the finding as an error of the command line.
func (f Finding) Fault() *fault.Error {
	e := fault.New(f.Code, "%s", f.Message).WithExit(f.exit()).At(f.Place, f.Frame)
	e.Hint = f.Hint
	return e
}

func (f Finding) exit() int {
	if f.Area == areaConfig {
		return fault.ExitConfig
	}
	return fault.ExitScript
}

// Script is one script of a report.
type Script struct {
	Name    string   `json:"name"`
	Entry   string   `json:"entry"`
	Version string   `json:"version,omitempty"`
	OK      bool     `json:"ok"` // no error
	Exports []string `json:"exports,omitempty"`
	Uses    []string `json:"uses,omitempty"`
}

// Report is what can be known of a project without running it.
type Report struct {
	OK       bool      `json:"ok"`
	Scripts  []Script  `json:"scripts"`
	Findings []Finding `json:"findings"`
}

// Exit is the exit status of the command line.
func (r Report) Exit() int {
	status := fault.ExitOK
	for _, f := range r.Findings {
		if f.Level == LevelError && status != fault.ExitConfig {
			status = f.exit()
		}
	}
	return status
}

// Count is the number of findings of a level.
func (r Report) Count(l Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// ConfigReport is the report of a project whose configuration does not load.
func ConfigReport(err error) Report {
	r := Report{Scripts: []Script{}, Findings: []Finding{}}
	list := config.ProblemsOf(err)
	if len(list) == 0 {
		list = []*fault.Error{fault.New(fault.CodeOf(err), "%w", err)}
	}
	for _, p := range list {
		r.Findings = append(r.Findings, Finding{Level: LevelError, Area: areaConfig, Code: p.Code, Place: p.Place, Message: p.Message, Hint: p.Hint, Frame: p.Frame})
	}
	return r
}

// Options are what a check needs beside the configuration.
type Options struct {
	// Builder makes the command line of a build child, as in engine.Options.
	Builder func() *exec.Cmd
}

// checking is one check.
type checking struct {
	cfg     *config.Config
	project string // folder of the project, absolute
	dir     string // of the scripts, absolute
	builder scripts.Builder
	library *sound.Library

	mu       sync.Mutex
	scripts  []Script
	findings []Finding
	entries  []scripts.Entry
	built    map[string]scripts.BuildResult
}

// buildsAtOnce bounds the build children of a check.
const buildsAtOnce = 2

// Run builds all scripts of a project, reads them for what can only fail
// later, and holds the configuration against them. The error says why the
// check could not run; what it found is in the report.
func Run(ctx context.Context, cfg *config.Config, o Options) (Report, error) {
	project, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return Report{}, fault.New(fault.Invalid, "check: %w", err)
	}
	dir := cfg.Scripts.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(project, dir)
	}
	c := &checking{cfg: cfg, project: project, dir: dir, builder: engine.ChildBuilder(o.Builder), built: map[string]scripts.BuildResult{},
		library: sound.NewLibrary(sound.LibraryOptions{MaxBytes: int64(cfg.Limits.Prompts)})}
	if c.entries, err = scripts.Discover(dir); err != nil {
		return Report{}, err
	}
	for _, n := range cfg.Notices() {
		c.add(Finding{Level: LevelNote, Area: areaConfig, Place: n.Place, Message: n.Message})
	}
	if _, err := engine.ClientTLS(cfg); err != nil {
		c.add(Finding{Level: LevelError, Area: areaConfig, Message: err.Error(), Hint: fault.HintOf(err)})
	}
	if err := c.buildAll(ctx); err != nil {
		return Report{}, err
	}
	if len(c.entries) == 0 {
		c.add(Finding{Level: LevelWarning, Area: areaScript, Message: "there are no scripts in " + cfg.Scripts.Dir + "/", Hint: "`loopstart init` writes one; scripts.dir names the folder"})
	}
	c.routes()
	c.names()
	c.connectors()
	c.security()
	return c.report(), nil
}

func (c *checking) add(f Finding) {
	if f.Code == "" {
		f.Code = fault.Invalid
		if f.Area == areaScript {
			f.Code = fault.Script
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.findings = append(c.findings, f)
}

// buildAll builds and reads every script, a few at once.
func (c *checking) buildAll(ctx context.Context) error {
	errs := make([]error, len(c.entries))
	var wg sync.WaitGroup
	slots := make(chan struct{}, buildsAtOnce)
	for i, entry := range c.entries {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			errs[i] = c.script(ctx, entry)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// script builds one script and reads its sources.
func (c *checking) script(ctx context.Context, entry scripts.Entry) error {
	if entry.Error != nil {
		c.diagnostic(entry, *entry.Error, LevelError)
		c.done(entry, scripts.BuildResult{})
		return nil
	}
	res, err := c.builder.Build(ctx, scripts.BuildRequest{Dir: c.dir, Script: entry.Name, Entry: entry.File, Modules: engine.Modules()})
	if err != nil {
		return err
	}
	for _, d := range res.Errors {
		c.diagnostic(entry, d, LevelError)
	}
	for _, d := range res.Warnings {
		c.diagnostic(entry, d, LevelWarning)
	}
	if len(res.Errors) == 0 {
		c.read(ctx, entry, res)
	}
	c.done(entry, res)
	return nil
}

func (c *checking) diagnostic(entry scripts.Entry, d scripts.Diagnostic, level Level) {
	c.add(Finding{Level: level, Area: areaScript, Script: entry.Name, Place: d.Place, Message: d.Message, Hint: d.Hint, Frame: d.Frame})
}

func (c *checking) done(entry scripts.Entry, res scripts.BuildResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.built[entry.Name] = res
	c.scripts = append(c.scripts, Script{Name: entry.Name, Entry: entry.File, Version: res.Version, Exports: res.Exports, Uses: res.Uses})
}

// routes holds the routes against the scripts.
func (c *checking) routes() {
	for i := range c.cfg.Routes {
		r := &c.cfg.Routes[i]
		folder := c.dir
		if r.Script != "" {
			entry, ok := c.entry(r.Script)
			if !ok {
				c.add(Finding{Level: LevelError, Area: areaConfig, Code: fault.NotFound, Place: r.Place, Message: "the route's script " + r.Script + " does not exist", Hint: c.nearScript(r.Script)})
				continue
			}
			folder = filepath.Join(c.dir, filepath.FromSlash(entry.Dir))
			if c.built[r.Script].Flow == "default" {
				c.add(Finding{Level: LevelError, Area: areaConfig, Place: r.Place, Message: "the route's script " + r.Script + " is a flow and takes no calls",
					Hint: "route to the script that talks; beside it a flow is export const onFlow = flow(…)"})
			}
			if res := c.built[r.Script]; len(res.Exports) > 0 && !slices.Contains(res.Exports, "default") {
				c.add(Finding{Level: LevelError, Area: areaConfig, Place: r.Place, Message: "the route's script " + r.Script + " has no default export: a call would have nothing to run",
					Hint: "begin with: export default async function (call) { await call.answer(); }"})
			}
		}
		for _, a := range r.Fallback {
			if f := c.prompt(context.Background(), folder, c.cfg.Project.Language, a.Play); f != nil {
				f.Area, f.Place = areaConfig, r.Place
				c.add(*f)
			}
		}
	}
}

func (c *checking) entry(name string) (scripts.Entry, bool) {
	i := slices.IndexFunc(c.entries, func(e scripts.Entry) bool { return e.Name == name })
	if i < 0 {
		return scripts.Entry{}, false
	}
	return c.entries[i], true
}

func (c *checking) nearScript(name string) string {
	var names []string
	for _, e := range c.entries {
		names = append(names, e.Name)
	}
	if near := suggest.Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	if len(names) == 0 {
		return "there are no scripts in " + c.cfg.Scripts.Dir + "/"
	}
	return "scripts are " + strings.Join(names, ", ")
}

// names looks for scripts that other sections name.
func (c *checking) names() {
	unknown := func(section, name string) {
		if _, ok := c.entry(name); !ok {
			c.add(Finding{Level: LevelWarning, Area: areaConfig, Code: fault.NotFound, Message: section + ": there is no script " + name, Hint: c.nearScript(name)})
		}
	}
	for _, l := range c.cfg.Scripts.Limits {
		unknown("scripts.limits", l.Name)
	}
	for _, t := range c.cfg.HTTP.Tokens {
		for _, s := range t.Scripts {
			unknown("http.tokens."+t.Name+".scripts", s)
		}
	}
}

// levelOrder shows errors last, next to the prompt of the shell.
var levelOrder = map[Level]int{LevelNote: 0, LevelWarning: 1, LevelError: 2}

func (c *checking) report() Report {
	r := Report{OK: true, Scripts: c.scripts, Findings: c.findings}
	if r.Scripts == nil {
		r.Scripts = []Script{}
	}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	slices.SortFunc(r.Scripts, func(a, b Script) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(levelOrder[a.Level]-levelOrder[b.Level], cmp.Compare(a.Area, b.Area), cmp.Compare(a.Script, b.Script))
	})
	for i := range r.Scripts {
		s := &r.Scripts[i]
		s.OK = !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Script == s.Name && f.Level == LevelError })
	}
	r.OK = r.Count(LevelError) == 0
	return r
}

// sourceMap is what a check needs of a bundle's source map.
type sourceMap struct {
	Sources []string `json:"sources"`
	Content []string `json:"sourcesContent"`
}

// authored are the author's own sources of a bundle: neither packages nor
// built-in modules.
func authored(res scripts.BuildResult) map[string]string {
	var m sourceMap
	if json.Unmarshal([]byte(res.Map), &m) != nil {
		return nil
	}
	out := map[string]string{}
	for i, name := range m.Sources {
		foreign := strings.Contains(name, "node_modules/") || strings.HasPrefix(name, "loopstart:") || strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".txt")
		if !foreign && i < len(m.Content) {
			out[name] = m.Content[i]
		}
	}
	return out
}
