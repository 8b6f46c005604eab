package scripts

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Rollback gives all new calls a version that is kept, and pins it: saves are
// ignored until Unpin. "" is the version that was active before.
func (r *Registry) Rollback(name, version string) (Plan, error) {
	return r.command(name, version, func(p Plan) (Plan, error) { return p.Rollback(version) })
}

// Canary gives a version a part of the new calls: percent of them, or the next
// calls of them. "" is the folder's newest version when it is not active, else
// the next save.
func (r *Registry) Canary(name, version string, percent, calls int) (Plan, error) {
	return r.command(name, version, func(p Plan) (Plan, error) { return p.Try(version, percent, calls) })
}

// Promote gives the canary all new calls.
func (r *Registry) Promote(name string) (Plan, error) { return r.command(name, "", Plan.Promote) }

// Drop ends the canary; the active version stays.
func (r *Registry) Drop(name string) (Plan, error) { return r.command(name, "", Plan.Drop) }

// Unpin makes the script follow the folder again.
func (r *Registry) Unpin(name string) (Plan, error) { return r.command(name, "", Plan.Unpin) }

// Plan is which versions of a script new calls get.
func (r *Registry) Plan(name string) (Plan, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.scripts[name]
	if s == nil || !s.present {
		return Plan{}, r.notFoundLocked(name)
	}
	return s.plan, nil
}

// command takes one step of a script's plan. A version that the step names is
// read from disk before the lock is taken.
func (r *Registry) command(name, version string, step func(Plan) (Plan, error)) (Plan, error) {
	before, err := r.Plan(name)
	if err != nil {
		return before, err
	}
	wanted, err := step(before)
	if err != nil {
		return before, err
	}
	if version != "" {
		if _, err := r.Get(name, version); err != nil {
			return before, err
		}
	}
	held := r.missing(name, wanted)
	r.mu.Lock()
	s := r.scripts[name]
	if s == nil || !s.present {
		err = r.notFoundLocked(name)
	} else if wanted, err = step(s.plan); err == nil { // a save may have come between
		err = r.resolvableLocked(name, wanted, held)
	}
	if err != nil {
		r.mu.Unlock()
		return before, err
	}
	changes := r.applyLocked(s, wanted, held)
	after := s.plan
	r.mu.Unlock()
	r.report(changes)
	r.saveState()
	return after, nil
}

func (r *Registry) resolvableLocked(name string, p Plan, held []*holder) error {
	for _, id := range p.versions() {
		if r.heldLocked(name, id) == nil && !slices.ContainsFunc(held, func(h *holder) bool { return h.ID == id }) {
			return gone(name, id)
		}
	}
	return nil
}

// versions are what new calls may get.
func (p Plan) versions() (list []string) {
	if p.Active != "" {
		list = append(list, p.Active)
	}
	if p.Canary != nil && p.Canary.Version != "" {
		list = append(list, p.Canary.Version)
	}
	return list
}

// gather reads the versions of a script's plan that are not in memory.
func (r *Registry) gather(name string) []*holder {
	r.mu.RLock()
	p := r.state.plans[name]
	if s := r.scripts[name]; s != nil {
		p = s.plan
	}
	r.mu.RUnlock()
	if !p.Held() {
		return nil
	}
	return r.missing(name, p)
}

func (r *Registry) missing(name string, p Plan) (list []*holder) {
	for _, id := range append(p.versions(), p.Latest) {
		r.mu.RLock()
		h := r.heldLocked(name, id)
		r.mu.RUnlock()
		if h != nil || id == "" {
			continue
		}
		if v, err := r.kept(name, id); err == nil {
			list = append(list, &holder{Version: v})
		}
	}
	return list
}

// kept is a version of the cache folder, with the folder of its files where
// the scripts are now.
func (r *Registry) kept(name, id string) (*Version, error) {
	v, err := r.cache.read(name, id)
	if err == nil {
		v.Dir = filepath.Join(r.opts.Dir, filepath.FromSlash(path.Dir(v.Entry)))
	}
	return v, err
}

// applyLocked puts a plan into force. Its versions are in memory or among
// extra; when one has gone from the disk, the script goes on without it.
func (r *Registry) applyLocked(s *script, p Plan, extra []*holder) []Change {
	find := func(id string) *holder {
		if i := slices.IndexFunc(extra, func(h *holder) bool { return h.ID == id }); i >= 0 && r.heldLocked(s.name, id) == nil {
			return extra[i]
		}
		return r.heldLocked(s.name, id)
	}
	latest := find(p.Latest)
	if p.Canary != nil && p.Canary.Version != "" && find(p.Canary.Version) == nil {
		r.opts.Log.Error("the canary's bundle is gone; it is dropped", "script", s.name, "version", p.Canary.Version)
		p, _ = p.Drop() // it has one
	}
	if p.Active != "" && find(p.Active) == nil {
		r.opts.Log.Error("the pinned version's bundle is gone; the script follows the folder", "script", s.name, "version", p.Active)
		p = Plan{Active: p.Latest, Latest: p.Latest}
	}
	var canary *holder
	if p.Canary != nil {
		canary = find(p.Canary.Version)
	}
	s.plan = p
	r.noteLocked(s.name, p)
	return r.assignLocked(s, find(p.Active), latest, canary)
}

// assignLocked gives versions their parts. Those that lose theirs drain while
// calls hold pins, and go when there are none. The changes tell what new calls
// get from now on.
func (r *Registry) assignLocked(s *script, current, latest, canary *holder) (changes []Change) {
	all := maps.Clone(s.old)
	for _, h := range []*holder{s.current, s.latest, s.canary, current, latest, canary} {
		if h != nil {
			all[h.ID] = h
		}
	}
	was, tried := s.current, s.canary
	s.current, s.latest, s.canary, s.old = current, latest, canary, map[string]*holder{}
	now := r.opts.Clock.Now()
	if current != nil && current != was {
		c := Change{Kind: Swapped, Script: s.name, Version: current.Version}
		if was != nil {
			c.Previous = was.ID
		}
		changes = append(changes, c)
	}
	if canary != nil && canary != tried {
		changes = append(changes, Change{Kind: Tried, Script: s.name, Version: canary.Version})
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		h := all[id]
		switch {
		case h == current || h == canary:
			h.since = time.Time{}
		case h.since.IsZero():
			h.since = now
		}
		if h == current || h == latest || h == canary {
			continue
		}
		if h.pins > 0 {
			s.old[id] = h
			continue
		}
		changes = append(changes, Change{Kind: Freed, Script: s.name, Version: h.Version})
	}
	return changes
}

// turnLocked is the version of the next new call of a script with a canary.
func (r *Registry) turnLocked(s *script) *holder {
	id, next := s.plan.Next()
	s.plan = next
	r.noteLocked(s.name, next)
	if s.canary.ID != id {
		return s.current
	}
	r.stats.Canaried++
	return s.canary
}

func gone(name, id string) error {
	return fault.New(fault.NotFound, "script %s has no version %s", name, id).
		WithHint("its bundle is no longer kept; the current version can be used instead")
}
