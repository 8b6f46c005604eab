package scripts

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// pass looks at the whole folder once and builds what needs it. A full pass,
// the answer to Reload and to the first Open, builds every script. Unless it
// is full or overdue, a script with an input that is being written right now
// stays as it is, and unsettled tells that there has to be another pass.
func (r *Registry) pass(ctx context.Context, full, overdue bool) (unsettled bool, err error) {
	r.count(func(s *Stats) { s.Passes++ })
	dir := realPath(r.opts.Dir)
	entries, err := Discover(dir)
	if err != nil {
		return false, err
	}
	seen, err := readTree(r.opts.Dir, dir)
	if err != nil {
		return false, err
	}
	moved := !slices.Equal(seen.files, r.tree.files)
	r.tree = seen
	r.dropMissing(entries)
	work := r.stale(dir, entries, full || moved)
	results := r.build(ctx, dir, work)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	for i, e := range work {
		if !full && !overdue && r.young(dir, results[i].Inputs) {
			unsettled = true
			r.tree.files = nil // what made it stale may be a name
			continue
		}
		r.settle(e, results[i])
	}
	return unsettled, nil
}

// young tells whether a file was written within the debounce time, by the
// file's own clock. What was read then may be half of it.
func (r *Registry) young(dir string, inputs map[string]string) bool {
	now := r.opts.Clock.Now()
	for file := range inputs {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(file)))
		if err != nil {
			continue
		}
		if age := now.Sub(info.ModTime()); age >= 0 && age < r.opts.Debounce {
			return true
		}
	}
	return false
}

// stale are the entries to build: all of them, or those that are new, failed
// last time, or were bundled from something that has changed since.
func (r *Registry) stale(dir string, entries []Entry, all bool) []Entry {
	hashes := map[string]string{}
	changed := func(file, hash string) bool {
		now, ok := hashes[file]
		if !ok {
			now = hashFile(filepath.Join(dir, filepath.FromSlash(file)))
			hashes[file] = now
		}
		return now != hash
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		s := r.scripts[e.Name]
		if all || s == nil || !s.present || s.entry.File != e.File || len(s.errors) > 0 || len(s.inputs) == 0 {
			return false
		}
		for file, hash := range s.inputs {
			if changed(file, hash) {
				return false
			}
		}
		return true
	})
}

// build runs the builder for each entry, a few at a time.
func (r *Registry) build(ctx context.Context, dir string, work []Entry) []BuildResult {
	results := make([]BuildResult, len(work))
	slots := make(chan struct{}, r.opts.Parallel)
	var wg sync.WaitGroup
	for i, e := range work {
		slots <- struct{}{}
		wg.Go(func() {
			results[i] = r.buildOne(ctx, dir, e)
			<-slots
		})
	}
	wg.Wait()
	return results
}

func (r *Registry) buildOne(ctx context.Context, dir string, e Entry) BuildResult {
	if e.Error != nil {
		return BuildResult{Errors: []Diagnostic{*e.Error}}
	}
	res, err := r.opts.Builder.Build(ctx, BuildRequest{Dir: dir, Script: e.Name, Entry: e.File, Modules: r.opts.Modules})
	r.count(func(s *Stats) { s.Builds++ })
	if err != nil {
		res.Errors = append(res.Errors, builderFailed(e, err))
	}
	return res
}

// builderFailed makes a diagnostic of a build child that crashed or ran out of
// time or memory: the source is too much for the parser.
func builderFailed(e Entry, err error) Diagnostic {
	d := Diagnostic{Place: e.File + ":1:1", Message: err.Error(), Hint: fault.HintOf(err)}
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Place != "" {
		d.Place, d.Frame, d.Message = f.Place, f.Frame, f.Message
	}
	return d
}

// dropMissing retires scripts whose file is gone.
func (r *Registry) dropMissing(entries []Entry) {
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name] = true
	}
	var gone []Change
	r.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(r.scripts)) {
		if s := r.scripts[name]; s.present && !names[name] {
			c := Change{Kind: Removed, Script: name}
			if s.current != nil {
				c.Previous = s.current.ID
			}
			gone = append(append(gone, c), r.assignLocked(s, nil, nil, nil)...)
			*s = script{name: name, old: s.old, plan: s.plan}
			r.forgetLocked(s)
		}
	}
	r.mu.Unlock()
	r.report(gone)
}

func (r *Registry) report(list []Change) {
	for _, c := range list {
		if c.Kind == Freed {
			r.cache.touch(c.Version, r.opts.Clock.Now())
		}
		r.opts.OnChange(c)
	}
}

// settle takes the result of one build in.
func (r *Registry) settle(e Entry, res BuildResult) {
	if len(res.Errors) == 0 {
		res.Errors = r.store(e, res)
	}
	held := r.gather(e.Name)
	r.mu.Lock()
	changes := r.settleLocked(e, res, held)
	r.mu.Unlock()
	r.report(changes)
}

// store writes a new version to the cache folder before anything can run on it.
func (r *Registry) store(e Entry, res BuildResult) []Diagnostic {
	r.mu.RLock()
	s := r.scripts[e.Name]
	known := r.heldLocked(e.Name, res.Version) != nil // and so on disk
	full := s != nil && len(s.old) >= MaxVersions
	r.mu.RUnlock()
	if known {
		return nil
	}
	if full {
		return []Diagnostic{{Place: e.File + ":1:1",
			Message: "too many old versions of this script still have calls",
			Hint:    "save again when some of them have ended"}}
	}
	if err := r.cache.write(r.version(e, res)); err != nil {
		r.opts.Log.Warn("the bundle could not be kept; afterCall of this version will not survive a restart",
			"script", e.Name, "version", res.Version, "error", err)
	}
	r.trim(e.Name)
	return nil
}

func (r *Registry) version(e Entry, res BuildResult) *Version {
	return &Version{Script: e.Name, ID: res.Version, Entry: e.File, Dir: filepath.Join(r.opts.Dir, filepath.FromSlash(e.Dir)),
		Source: res.Source, Map: res.Map, Config: res.Config, Exports: res.Exports, Flow: res.Flow, Uses: res.Uses, Built: r.opts.Clock.Now(), Author: r.newest(res.Inputs)}
}

// newest is when the author last touched one of the files.
func (r *Registry) newest(inputs map[string]string) (at time.Time) {
	for file := range inputs {
		if info, err := os.Stat(filepath.Join(r.opts.Dir, filepath.FromSlash(file))); err == nil && info.ModTime().After(at) {
			at = info.ModTime()
		}
	}
	return at
}

// settleLocked is settle; held are the versions of the script's plan that are
// not in memory.
func (r *Registry) settleLocked(e Entry, res BuildResult, held []*holder) []Change {
	s := r.scriptLocked(e.Name)
	again := s.present && s.last == res.Version && slices.Equal(s.errors, res.Errors)
	s.present, s.entry, s.last, s.inputs, s.errors = true, e, res.Version, res.Inputs, res.Errors
	if len(res.Errors) > 0 {
		return r.failedLocked(s, res, held, again)
	}
	built := r.heldLocked(e.Name, res.Version) // a save that goes back to an old content
	if built == nil {
		built = &holder{Version: r.version(e, res)}
	}
	plan, step := s.plan.Saved(res.Version)
	changes := r.applyLocked(s, plan, append([]*holder{built}, held...))
	if step == StepHold && s.current != nil && s.current != built {
		r.stats.Held++
		changes = append(changes, Change{Kind: Held, Script: e.Name, Version: built.Version, Previous: s.current.ID})
	}
	for i := range changes {
		if changes[i].Kind == Swapped || changes[i].Kind == Tried {
			changes[i].Warnings = res.Warnings
		}
	}
	return changes
}

func (r *Registry) failedLocked(s *script, res BuildResult, held []*holder, again bool) (changes []Change) {
	r.stats.Failures++
	if s.current == nil && s.plan.Held() {
		changes = r.applyLocked(s, s.plan, held) // at start-up: what is held needs no folder
	}
	if s.current == nil && s.plan.Active != "" {
		s.plan.Previous, s.plan.Active = s.plan.Active, "" // of an earlier process; it can be rolled back to
	}
	c := Change{Kind: Failed, Script: s.name, Errors: res.Errors, Warnings: res.Warnings}
	if s.current != nil {
		c.Version = s.current.Version
	}
	if again {
		return changes
	}
	return append(changes, c)
}
