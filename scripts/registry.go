package scripts

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
)

// Options configure a Registry.
type Options struct {
	Dir     string              // the scripts folder; it may not exist yet
	Cache   string              // folder for bundles; "" keeps them in memory only
	State   string              // file of pins and canaries; "" forgets them with the process
	Builder Builder             // required
	Modules map[string][]string // built-in modules and their exports
	Clock   clock.Clock
	Log     *slog.Logger
	// Watch follows the folder. Without it only Reload looks for changes.
	Watch bool
	// OnChange hears of every change in order, also of those of the first
	// pass inside Open. It runs on the registry's goroutine, except for Freed,
	// which comes from whoever released the last pin, and for what a command
	// (Rollback, Canary, …) changes; it must not block.
	OnChange func(Change)

	// Needed reports whether something outside of calls needs a version, whose
	// bundle is then kept whatever its age; nil means that nothing does.
	Needed func(name, id string) bool

	Debounce time.Duration // after the last event; 0 = DefaultDebounce
	MaxDelay time.Duration // after the first event, however many follow; 0 = DefaultMaxDelay
	Keep     time.Duration // how long an unused bundle stays in Cache; 0 = DefaultKeep
	Parallel int           // builds at once; 0 = 2
}

func (o Options) withDefaults() Options {
	o.Debounce = cmp.Or(o.Debounce, DefaultDebounce)
	o.MaxDelay = cmp.Or(o.MaxDelay, DefaultMaxDelay)
	o.Keep = cmp.Or(o.Keep, DefaultKeep)
	o.Parallel = cmp.Or(o.Parallel, 2)
	if o.OnChange == nil {
		o.OnChange = func(Change) {}
	}
	if o.Needed == nil {
		o.Needed = func(string, string) bool { return false }
	}
	return o
}

// Registry serves the versions of a folder's scripts.
type Registry struct {
	opts  Options
	cache cache
	// uploading is held by an upload or a removal from its staging to its end.
	uploading sync.Mutex

	mu      sync.RWMutex
	scripts map[string]*script
	stats   Stats
	state   state // plans on disk

	// The rest belongs to the goroutine of run (to Open before it starts).
	tree   tree
	watch  *watch
	wake   chan reload
	cancel context.CancelFunc
	done   chan struct{}
}

// Stats count what the registry did since Open.
type Stats struct {
	Passes    uint64 // looks at the whole folder
	Builds    uint64
	Failures  uint64 // builds that gave errors
	Overflows uint64 // event queue overflows, each followed by a full pass
	Unwatched uint64 // folders that could not be watched; they are polled
	Trimmed   uint64 // kept versions deleted because a script had more than MaxKept
	Held      uint64 // saves that did not go live because of a pin or a canary
	Canaried  uint64 // calls that got a canary
	Uploads   uint64 // uploads that went into the folder
}

// script is the state of one name, guarded by Registry.mu.
type script struct {
	name    string
	entry   Entry
	present bool               // its file exists
	plan    Plan               // which version new calls get
	current *holder            // plan.Active; nil when it never built or is gone
	latest  *holder            // plan.Latest: what the folder holds
	canary  *holder            // plan.Canary.Version
	old     map[string]*holder // draining, by version; all have pins
	errors  []Diagnostic       // of the last build
	last    string             // content hash of the last build, good or not
	inputs  map[string]string  // of the last build
}

type holder struct {
	*Version
	pins  int
	since time.Time // when it was taken out of service; zero while it is in
}

// Open builds every script of the folder and then, with Watch, follows it
// until Close. Scripts that do not build are Broken; that is no error of Open.
func Open(ctx context.Context, o Options) (*Registry, error) {
	o = o.withDefaults()
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fault.New(fault.Invalid, "scripts: folder %s: %w", o.Dir, err)
	}
	o.Dir = dir
	r := &Registry{opts: o, cache: cache{dir: o.Cache}, scripts: map[string]*script{},
		wake: make(chan reload), done: make(chan struct{})}
	if err := r.cache.open(); err != nil {
		return nil, err
	}
	r.openState()
	r.recoverUploads()

	if _, err := r.pass(ctx, true, false); err != nil {
		return nil, err
	}
	r.cache.prune(o.Clock.Now().Add(-o.Keep), r.keeps)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	if r.watch, err = newWatch(r); err != nil {
		cancel()
		return nil, err
	}
	go r.run(run, r.watch)
	return r, nil
}

// Close stops watching and any build. Versions can still be read and released.
func (r *Registry) Close() {
	r.cancel()
	<-r.done
	r.closeState()
}

// Current is the active version, without a pin.
func (r *Registry) Current(name string) (*Version, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	h, err := r.currentLocked(name)
	if err != nil {
		return nil, err
	}
	return h.Version, nil
}

// Acquire pins a version for one new call: the active one, or the canary when
// it is its turn. Each Acquire needs one Release.
func (r *Registry) Acquire(name string) (*Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.currentLocked(name)
	if err != nil {
		return nil, err
	}
	if s := r.scripts[name]; s.canary != nil {
		h = r.turnLocked(s)
	}
	h.pins++
	return h.Version, nil
}

// AcquireActive pins the active version for work that is no call: a canary is
// counted in calls. Each AcquireActive needs one Release.
func (r *Registry) AcquireActive(name string) (*Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.currentLocked(name)
	if err != nil {
		return nil, err
	}
	h.pins++
	return h.Version, nil
}

func (r *Registry) currentLocked(name string) (*holder, error) {
	s := r.scripts[name]
	switch {
	case s == nil || !s.present:
		return nil, r.notFoundLocked(name)
	case s.current == nil:
		e := fault.New(fault.Unavailable, "script %s is broken: %w", name, Join(s.errors)).WithExit(fault.ExitScript)
		return nil, e.WithHint("mend it and save; `loopstart check` shows every error")
	}
	return s.current, nil
}

func (r *Registry) notFoundLocked(name string) error {
	var names []string
	for n, s := range r.scripts {
		if s.present {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	e := fault.New(fault.NotFound, "no script %q", name).WithExit(fault.ExitScript)
	if near := suggest.Nearest(name, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	if len(names) == 0 {
		return e.WithHint("the folder %s holds no script", r.opts.Dir)
	}
	return e.WithHint("there are %s", listed(names, 10))
}

// Get is a version by its ID, from memory or from the cache folder.
func (r *Registry) Get(name, id string) (*Version, error) {
	r.mu.RLock()
	h := r.heldLocked(name, id)
	r.mu.RUnlock()
	if h != nil {
		return h.Version, nil
	}
	return r.kept(name, id)
}

// AcquireVersion pins a version by its ID, also one that was freed but is
// still in the cache folder: afterCall runs on its call's version.
func (r *Registry) AcquireVersion(name, id string) (*Version, error) {
	r.mu.Lock()
	if h := r.heldLocked(name, id); h != nil {
		h.pins++
		r.mu.Unlock()
		return h.Version, nil
	}
	r.mu.Unlock()
	v, err := r.kept(name, id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.heldLocked(name, id)
	if h == nil {
		h = &holder{Version: v, since: r.opts.Clock.Now()}
		r.scriptLocked(name).old[id] = h
	}
	h.pins++
	return h.Version, nil
}

func (r *Registry) heldLocked(name, id string) *holder {
	s := r.scripts[name]
	if s == nil {
		return nil
	}
	for _, h := range []*holder{s.current, s.canary, s.latest} {
		if h != nil && h.ID == id {
			return h
		}
	}
	return s.old[id]
}

func (r *Registry) scriptLocked(name string) *script {
	s := r.scripts[name]
	if s == nil {
		s = &script{name: name, old: map[string]*holder{}, plan: r.state.plan(name)}
		r.scripts[name] = s
	}
	return s
}

// Release gives a pin back. The last pin of a draining version frees it.
func (r *Registry) Release(v *Version) {
	if r.release(v) {
		r.cache.touch(v, r.opts.Clock.Now())
		r.opts.OnChange(Change{Kind: Freed, Script: v.Script, Version: v})
	}
}

func (r *Registry) release(v *Version) (freed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.heldLocked(v.Script, v.ID)
	if h == nil || h.pins == 0 {
		panic("scripts: version " + v.Script + "@" + v.ID + " released more often than acquired")
	}
	h.pins--
	s := r.scripts[v.Script]
	if h.pins > 0 || h == s.current || h == s.canary || h == s.latest {
		return false
	}
	delete(s.old, v.ID)
	r.forgetLocked(s)
	return true
}

// forgetLocked drops a script of which nothing is left.
func (r *Registry) forgetLocked(s *script) {
	if !s.present && s.current == nil && len(s.old) == 0 {
		delete(r.scripts, s.name)
	}
}

// List is every version that calls run on or can get, by name: the active or
// broken line of a script first, then its canary, then its draining versions,
// oldest last.
func (r *Registry) List() []Status {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []Status
	for _, s := range r.scripts {
		list = append(list, s.lines()...)
	}
	slices.SortStableFunc(list, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func (s *script) lines() []Status {
	var list []Status
	switch {
	case s.present && s.current == nil:
		list = append(list, Status{Name: s.name, State: Broken, Errors: s.errors, Plan: s.plan})
	case s.current != nil:
		l := s.current.line(s.name, Active, s.errors)
		l.Plan = s.plan
		list = append(list, l)
	}
	if s.canary != nil {
		l := s.canary.line(s.name, Active, nil)
		l.Canary, l.Plan = true, s.plan
		list = append(list, l)
	}
	first := len(list)
	for _, h := range s.old {
		list = append(list, h.line(s.name, Draining, nil))
	}
	if h := s.latest; h != nil && h.pins > 0 && h != s.current && h != s.canary {
		list = append(list, h.line(s.name, Draining, nil))
	}
	slices.SortFunc(list[first:], func(a, b Status) int { return b.Built.Compare(a.Built) })
	return list
}

func (h *holder) line(name string, state State, errs []Diagnostic) Status {
	return Status{Name: name, Version: h.ID, State: state, Calls: h.pins, Errors: errs, Built: h.Built, Author: h.Author, Since: h.since}
}

// Stats are the counters so far.
func (r *Registry) Stats() Stats {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.stats
}

func (r *Registry) count(f func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stats)
}
