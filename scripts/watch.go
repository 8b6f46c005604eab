package scripts

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/loopstart/loopstart/internal/fault"
)

// pollEvery is how often the folder is looked at when a part of it cannot be
// watched, for lack of inotify watches or on a file system without events.
const pollEvery = 2 * time.Second

// reload asks the registry's goroutine for a full pass, or for another job
// that no pass may see halfway.
type reload struct {
	job  func(context.Context) error // nil is a full pass
	done chan error
}

// Reload looks at the whole folder now, builds every script and returns when
// that is done. Errors of scripts are in List; an error here means the folder
// could not be read.
func (r *Registry) Reload(ctx context.Context) error { return r.between(ctx, nil) }

// between runs a job on the registry's goroutine. Once the job was taken it
// returns with the job's end only.
func (r *Registry) between(ctx context.Context, job func(context.Context) error) error {
	q := reload{job, make(chan error, 1)}
	select {
	case r.wake <- q:
	case <-r.done:
		return fault.New(fault.Unavailable, "scripts: reload: the registry is closed")
	case <-ctx.Done():
		return ctx.Err()
	}
	if job != nil {
		return <-q.done
	}
	select {
	case err := <-q.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch is the registry's view of the file system's events. A nil notify
// means the folder is not followed.
type watch struct {
	notify  *fsnotify.Watcher
	watched map[string]bool
	polling bool // something could not be watched
}

func newWatch(r *Registry) (*watch, error) {
	w := &watch{watched: map[string]bool{}}
	if !r.opts.Watch {
		return w, nil
	}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		return nil, fault.New(fault.Unavailable, "scripts: watch: %w", err).
			WithHint("raise fs.inotify.max_user_instances, or run without watching")
	}
	return w, nil
}

// run is the registry's goroutine: it waits for events to calm down and then
// looks at the folder again.
func (r *Registry) run(ctx context.Context, w *watch) {
	defer close(r.done)
	var events chan fsnotify.Event
	var faults chan error
	if w.notify != nil {
		defer w.notify.Close()
		events, faults = w.notify.Events, w.notify.Errors
	}
	c := newCalm(r.opts)
	defer c.stop()
	if r.follow(w) {
		c.touch() // something may have changed before the watches were set
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.state.due:
			r.saveDue()
		case q := <-r.wake:
			if q.job != nil {
				q.done <- q.job(ctx)
				c.touch()
				continue
			}
			q.done <- r.look(ctx, w, c, true)
		case e := <-events:
			if e.Op != fsnotify.Chmod {
				c.touch()
			}
		case err := <-faults:
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				r.count(func(s *Stats) { s.Overflows++ })
			}
			c.touch()
		case <-c.due:
			if err := r.look(ctx, w, c, false); err != nil && ctx.Err() == nil {
				r.opts.Log.Error("the scripts folder could not be read", "error", err)
			}
		}
	}
}

// look runs a pass. New folders are watched before they are read, so that a
// file written into one a moment later is an event or already seen.
func (r *Registry) look(ctx context.Context, w *watch, c *calm, full bool) error {
	overdue := c.begin()
	unsettled, err := r.pass(ctx, full, overdue)
	if r.follow(w) || unsettled {
		c.touch()
	}
	if w.polling {
		c.later(pollEvery)
	}
	return err
}

// follow sets a watch on every folder of the tree and of the scripts' other
// inputs, drops those that are gone, and reports whether there was a new one.
func (r *Registry) follow(w *watch) (added bool) {
	if w.notify == nil {
		return false
	}
	want := r.folders()
	watched, all := watchable(want)
	w.polling = !all
	unwatched := uint64(0)
	for dir := range w.watched {
		if _, ok := slices.BinarySearch(want, dir); !ok {
			_ = w.notify.Remove(dir) // an error means the folder itself is gone
			delete(w.watched, dir)
		}
	}
	// Adding a watch again is how a folder that was deleted and made anew under
	// the same name gets one; for all others it changes nothing.
	for _, dir := range watched {
		if err := w.notify.Add(dir); err != nil {
			w.polling = true
			unwatched++
			delete(w.watched, dir)
			continue
		}
		added = added || !w.watched[dir]
		w.watched[dir] = true
	}
	r.count(func(s *Stats) { s.Unwatched += unwatched })
	return added
}

// watchable are the folders that get a watch; all tells that none is left out.
func watchable(want []string) (watched []string, all bool) {
	return want[:min(len(want), MaxWatches)], len(want) <= MaxWatches
}

// folders are the real paths to watch, sorted.
func (r *Registry) folders() []string {
	dir := realPath(r.opts.Dir)
	list := slices.Clone(r.tree.folders)
	r.mu.RLock()
	for _, s := range r.scripts {
		for file := range s.inputs {
			list = append(list, realPath(filepath.Join(dir, filepath.Dir(filepath.FromSlash(file)))))
		}
	}
	r.mu.RUnlock()
	slices.Sort(list)
	return slices.Compact(list)
}
