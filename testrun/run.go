package testrun

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/scripts"
)

// Options say what to run.
type Options struct {
	Config *config.Config
	// Patterns are parts of a file's path or of a test's name, or paths of test
	// files, scripts and folders; what fits one of them is run, without any all.
	Patterns []string
	Update   bool            // snapshots are written, not compared
	All      bool            // timelines of all calls are kept, not only of failed tests
	Trace    bool            // scripts show each await in their timelines, which are all kept
	Builder  scripts.Builder // nil builds in this process
	// OnResult hears of each test as soon as it is over.
	OnResult func(Result)
	// OnFile hears of each file before its tests run.
	OnFile func(name string)
}

// Run runs the tests of a project. time.Local has to be the project's zone,
// since dates of JavaScript know no other.
func Run(ctx context.Context, o Options) (*Report, error) {
	began := clock.System().Now()
	r, err := newRunner(o)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.dir)
	names, err := discover(r.root)
	if err != nil {
		return nil, err
	}
	report := &Report{Files: []File{}}
	for _, name := range names {
		if ctx.Err() != nil {
			break
		}
		if f, ok := r.file(ctx, name); ok {
			report.add(f)
		}
	}
	report.Unmatched = r.choices.unmatched()
	report.RealMs = clock.Since(clock.System(), began).Milliseconds()
	report.Menus = r.menus.list()
	report.Snapshots = SnapshotNews{Written: r.relative(r.shots.written), Updated: r.relative(r.shots.changed)}
	return report, nil
}

// runner is one run.
type runner struct {
	Options
	setting
	root    string // the scripts folder
	choices choices
}

func newRunner(o Options) (*runner, error) {
	root, err := filepath.Abs(scriptsDir(o.Config))
	if err != nil {
		return nil, fault.New(fault.Invalid, "test: %w", err)
	}
	zone, err := time.LoadLocation(o.Config.Project.Zone)
	if err != nil {
		return nil, fault.New(fault.Invalid, "test: project.zone: %w", err).WithExit(fault.ExitConfig)
	}
	if o.Builder == nil {
		o.Builder = engine.LocalBuilder{}
	}
	if o.OnResult == nil {
		o.OnResult = func(Result) {}
	}
	if o.OnFile == nil {
		o.OnFile = func(string) {}
	}
	dir, err := os.MkdirTemp("", "loopstart-test-")
	if err != nil {
		return nil, fault.New(fault.Unavailable, "test: %w", err)
	}
	return &runner{Options: o, root: root, choices: choose(root, o.Patterns), setting: setting{
		cfg: o.Config, zone: zone, dir: dir, builder: newBuildCache(o.Builder), menus: newMenus(),
		trace: o.Trace, shots: &snapshots{update: o.Update, used: map[string]string{}},
	}}, nil
}

func scriptsDir(cfg *config.Config) string {
	if filepath.IsAbs(cfg.Scripts.Dir) {
		return cfg.Scripts.Dir
	}
	return filepath.Join(cfg.Dir, cfg.Scripts.Dir)
}

func (r *runner) relative(paths []string) []string {
	out := []string{}
	for _, p := range paths {
		if rel, err := filepath.Rel(r.root, p); err == nil {
			p = rel
		}
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// discover lists the test files below a folder, with slashes.
func discover(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != root):
			return filepath.SkipDir
		case d.IsDir() || !scripts.IsTest(d.Name()):
			return nil
		}
		rel, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		return nil, fault.New(fault.NotFound, "test: read the scripts folder: %w", err).WithExit(fault.ExitScript)
	}
	if len(names) > MaxFiles {
		return nil, fault.New(fault.Limit, "test: %d test files; the limit is %d", len(names), MaxFiles)
	}
	slices.Sort(names)
	return names, nil
}
