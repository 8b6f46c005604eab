package scripts

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Line is one version of Registry.Versions.
type Line struct {
	Status
	Entry  string // entry file relative to the scripts folder
	Latest bool   // the newest content of the folder that built
	Pinned bool   // active, and saves do not replace it
}

// Versions are all versions of a script that calls run on or that it can be
// rolled back to, newest first.
func (r *Registry) Versions(name string) ([]Line, error) {
	r.mu.RLock()
	s := r.scripts[name]
	if s == nil || !s.present {
		defer r.mu.RUnlock()
		return nil, r.notFoundLocked(name)
	}
	var list []Line
	seen := map[string]bool{}
	p := s.plan
	for _, st := range s.lines() {
		seen[st.Version] = true
		l := Line{Status: st, Entry: s.entry.File, Latest: st.Version == p.Latest && st.Version != "", Pinned: p.Pinned && st.Version == p.Active && st.Version != ""}
		if h := r.heldLocked(name, st.Version); h != nil {
			l.Entry = h.Entry
		}
		list = append(list, l)
	}
	if h := s.latest; h != nil && !seen[h.ID] {
		seen[h.ID] = true
		list = append(list, Line{Status: h.line(name, Kept, nil), Entry: h.Entry, Latest: true})
	}
	r.mu.RUnlock()
	for _, v := range r.cache.list(name) {
		if !seen[v.ID] {
			list = append(list, Line{Status: Status{Name: name, Version: v.ID, State: Kept, Built: v.Built, Author: v.Author, Since: v.used}, Entry: v.Entry})
		}
	}
	slices.SortStableFunc(list, func(a, b Line) int { return b.Built.Compare(a.Built) })
	return list, nil
}

// stored is a bundle on disk without its program.
type stored struct {
	Script string    `json:"script"`
	ID     string    `json:"id"`
	Entry  string    `json:"entry"`
	Built  time.Time `json:"built"`
	Author time.Time `json:"author"`

	used time.Time
}

// list reads what is kept of a script; a file that is torn is left out.
func (c cache) list(name string) (out []stored) {
	for _, f := range c.files(name) {
		body, err := os.ReadFile(f.path)
		v := stored{used: f.used}
		if err == nil && json.Unmarshal(body, &v) == nil && v.Script == name && v.ID == f.id {
			out = append(out, v)
		}
	}
	return out
}

type cached struct {
	path, id string
	used     time.Time
}

// files are the bundles of a script, the last used first.
func (c cache) files(name string) (out []cached) {
	if c.dir == "" || !plainName(name) {
		return nil
	}
	items, err := os.ReadDir(filepath.Join(c.dir, name))
	if err != nil {
		return nil
	}
	for _, item := range items {
		id, ok := strings.CutSuffix(item.Name(), ".json")
		info, err := item.Info()
		if ok && plainName(id) && err == nil && info.Mode().Type() == fs.FileMode(0) {
			out = append(out, cached{c.path(name, id), id, info.ModTime()})
		}
	}
	slices.SortStableFunc(out, func(a, b cached) int { return b.used.Compare(a.used) })
	return out
}

// trim deletes the versions of a script beyond MaxKept that were used longest
// ago, but none that is in memory or in the script's plan.
func (r *Registry) trim(name string) {
	files := r.cache.files(name)
	for i := len(files) - 1; i >= 0 && len(files) > MaxKept; i-- {
		r.mu.RLock()
		p := r.state.plans[name]
		needed := r.heldLocked(name, files[i].id) != nil || slices.Contains(append(p.versions(), p.Previous), files[i].id)
		r.mu.RUnlock()
		if needed || r.opts.Needed(name, files[i].id) || os.Remove(files[i].path) != nil {
			continue
		}
		files = slices.Delete(files, i, i+1)
		r.count(func(s *Stats) { s.Trimmed++ })
	}
}

// keeps tells the bundles that age does not delete: those of the scripts that
// there are, since they can be rolled back to, and those in memory.
func (r *Registry) keeps(name, id string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.scripts[name]
	return s != nil && s.present || r.heldLocked(name, id) != nil || r.opts.Needed(name, id)
}
