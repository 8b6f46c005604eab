package scripts

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// cache keeps bundles on disk as <dir>/<script>/<version>.json, so that an old
// version can still run after a restart. A zero dir keeps nothing.
type cache struct{ dir string }

func (c cache) open() error {
	if c.dir == "" {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fault.New(fault.Unavailable, "scripts: bundle folder: %w", err)
	}
	return nil
}

func (c cache) path(name, id string) string { return filepath.Join(c.dir, name, id+".json") }

// write stores a version so that a crash leaves either all of it or nothing.
func (c cache) write(v *Version) error {
	if c.dir == "" {
		return nil
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := c.path(v.Script, v.ID)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeWhole(path, body)
}

func (c cache) read(name, id string) (*Version, error) {
	if c.dir == "" || !plainName(name) || !plainName(id) {
		return nil, gone(name, id)
	}
	body, err := os.ReadFile(c.path(name, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gone(name, id)
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "scripts: read bundle: %w", err)
	}
	v := new(Version)
	if err := json.Unmarshal(body, v); err != nil || v.Script != name || v.ID != id {
		return nil, gone(name, id)
	}
	return v, nil
}

// plainName keeps names that came over the wire from leaving the folder.
func plainName(s string) bool {
	return s != "" && s[0] != '.' && !strings.ContainsAny(s, `/\`)
}

// touch notes that a version was in use until now; prune goes by it. A bundle
// that is gone or cannot be touched is pruned early, which costs a rerun.
func (c cache) touch(v *Version, now time.Time) {
	if c.dir != "" {
		_ = os.Chtimes(c.path(v.Script, v.ID), now, now)
	}
}

// prune deletes bundles that were last used before a time, except those to
// keep. What cannot be deleted is tried again at the next start.
func (c cache) prune(before time.Time, keep func(name, id string) bool) {
	if c.dir == "" {
		return
	}
	files, err := filepath.Glob(filepath.Join(c.dir, "*", "*.json"))
	if err != nil {
		return
	}
	for _, file := range files {
		info, err := os.Stat(file)
		name, id := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".json")
		if err == nil && info.ModTime().Before(before) && !keep(name, id) {
			_ = os.Remove(file)
			_ = os.Remove(filepath.Dir(file)) // only when empty
		}
	}
}
