package scripts

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// saveEvery is how late the counts of a canary reach the disk: a crash loses
// as much. Commands are on disk when they return.
const saveEvery = time.Second

// state keeps the plans that a restart could not guess in one small file. The
// plans are guarded by Registry.mu, the file by writing.
type state struct {
	plans map[string]Plan // by script, also of scripts whose file is gone
	dirty bool
	armed bool // timer runs
	timer clock.Timer
	due   chan struct{} // capacity 1: a second tick means the same as one

	writing sync.Mutex
}

// stateFile is the file's content.
type stateFile struct {
	Scripts map[string]Plan `json:"scripts"`
}

// openState reads the plans of an earlier process. A file that cannot be read
// is put aside: scripts then follow the folder, and the log says so.
func (r *Registry) openState() {
	r.state.plans, r.state.due = map[string]Plan{}, make(chan struct{}, 1)
	if r.opts.State == "" {
		return
	}
	body, err := os.ReadFile(r.opts.State)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var f stateFile
	if err == nil {
		err = json.Unmarshal(body, &f)
	}
	if err != nil {
		r.opts.Log.Error("pins and canaries cannot be read; every script follows the folder", "file", r.opts.State, "error", err)
		_ = os.Rename(r.opts.State, r.opts.State+".bad")
		return
	}
	for name, p := range f.Scripts {
		p.Latest = "" // what the folder holds is seen anew
		r.state.plans[name] = p
	}
}

// plan is the plan with which a script begins.
func (s *state) plan(name string) Plan { return s.plans[name] }

// note takes a plan over.
func (s *state) note(name string, p Plan) {
	_, known := s.plans[name]
	switch {
	case p.plain() && !known, !known && len(s.plans) >= 2*MaxScripts:
		return
	case p.plain():
		delete(s.plans, name)
	default:
		s.plans[name] = p
	}
	s.dirty = true
}

// saveState writes the plans now.
func (r *Registry) saveState() {
	r.state.writing.Lock()
	defer r.state.writing.Unlock()
	r.mu.Lock()
	dirty := r.state.dirty
	r.state.dirty = false
	body, err := json.Marshal(stateFile{r.state.plans})
	r.mu.Unlock()
	if !dirty || r.opts.State == "" {
		return
	}
	if err == nil {
		err = writeWhole(r.opts.State, body)
	}
	if err != nil {
		r.mu.Lock()
		r.state.dirty = true
		r.mu.Unlock()
		r.opts.Log.Error("pins and canaries could not be written; a restart would forget them", "file", r.opts.State, "error", err)
	}
}

// noteLocked takes a plan over and has it written soon.
func (r *Registry) noteLocked(name string, p Plan) {
	r.state.note(name, p)
	if !r.state.dirty || r.state.armed || r.opts.State == "" {
		return
	}
	r.state.armed = true
	r.state.timer = r.opts.Clock.AfterFunc(saveEvery, func() {
		select {
		case r.state.due <- struct{}{}:
		default:
		}
	})
}

// saveDue writes what is due; it runs on the registry's goroutine.
func (r *Registry) saveDue() {
	r.mu.Lock()
	r.state.armed = false
	r.mu.Unlock()
	r.saveState()
}

func (r *Registry) closeState() {
	r.mu.Lock()
	if r.state.timer != nil {
		r.state.timer.Stop()
	}
	r.mu.Unlock()
	r.saveState()
}

// writeWhole replaces a file so that a crash leaves the old content or the new.
func writeWhole(path string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
