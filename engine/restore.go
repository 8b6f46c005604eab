package engine

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// Folders inside the state folder, which may be a mount of its own.
const (
	restoreStage  = "restore-stage"   // is being filled, worth nothing yet
	restoreReady  = "restore-ready"   // whole, on its way into place
	restoreBefore = "before-restore-" // what was there, with the time
)

// RestoreOptions say where a backup goes.
type RestoreOptions struct {
	Dir   string // the state folder
	Force bool   // put a store that is there aside
	Log   *slog.Logger
}

// Restored tells what a restore did.
type Restored struct {
	BackupHead
	Dir   string `json:"dir"`
	Aside string `json:"aside,omitempty"` // where the former state lies now
}

// Restore puts a backup into a state folder that no process uses. The backup is
// read whole and proved before anything that is there is touched; what was
// there is put aside, never removed.
func Restore(o RestoreOptions, r io.Reader) (out Restored, err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return out, fault.New(fault.Denied, "restore: %w", err).WithExit(fault.ExitStore)
	}
	release, err := store.Claim(o.Dir)
	if err != nil {
		return out, err
	}
	defer release()
	if !store.Empty(o.Dir) && !o.Force {
		return out, fault.New(fault.Conflict, "restore: there is a store in %s", o.Dir).WithHint("--force puts it aside and restores").WithExit(fault.ExitStore)
	}
	stage := filepath.Join(o.Dir, restoreStage)
	if err := os.RemoveAll(stage); err != nil {
		return out, err
	}
	out.Dir = o.Dir
	if out.BackupHead, err = readBackup(r, stage, o.Log); err != nil {
		return out, errors.Join(err, os.RemoveAll(stage))
	}
	out.Aside, err = swapState(o.Dir, stage)
	return out, err
}

// readBackup fills a folder with what a backup holds.
func readBackup(r io.Reader, dir string, log *slog.Logger) (head BackupHead, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return head, notBackup(err)
	}
	t := tar.NewReader(z)
	if h, err := t.Next(); err != nil || h.Name != backupHead || json.NewDecoder(t).Decode(&head) != nil {
		return head, notBackup(err)
	}
	if head.Format != backupFormat {
		return head, fault.New(fault.Invalid, "restore: the backup has format %d, this loopstart reads %d", head.Format, backupFormat).
			WithHint("it was written by loopstart %s: restore it with that version or a newer one", head.Version).WithExit(fault.ExitStore)
	}
	in := &backupReader{Reader: t}
	if err := store.Load(store.Options{Dir: dir, Log: log}, in); err != nil {
		return head, damaged(err)
	}
	if err := in.files(dir); err != nil {
		return head, damaged(err)
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // to the checksum at the end
		return head, damaged(err)
	}
	s, err := store.Open(store.Options{Dir: dir, Clock: clock.System(), Log: log})
	if err != nil {
		return head, err
	}
	return head, s.Close()
}

// backupReader reads the pieces of the snapshot as one stream.
type backupReader struct {
	*tar.Reader
	now   *tar.Header // entry that is being read
	begun bool
}

// Read implements io.Reader.
func (b *backupReader) Read(p []byte) (int, error) {
	for {
		if b.begun && b.now.Name != backupStore {
			return 0, io.EOF
		}
		if b.begun {
			if n, err := b.Reader.Read(p); n > 0 || err != nil && !errors.Is(err, io.EOF) {
				return n, nilEOF(err)
			}
		}
		if err := b.next(); err != nil {
			return 0, err
		}
	}
}

func nilEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (b *backupReader) next() (err error) {
	b.begun = true
	if b.now, err = b.Next(); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // end.json is what ends it
	}
	return err
}

// files writes what follows the snapshot, up to the end.
func (b *backupReader) files(dir string) error {
	for b.now.Name != backupEnd {
		name, ok := strings.CutPrefix(b.now.Name, backupState)
		if !ok || !filepath.IsLocal(name) {
			return fault.New(fault.Invalid, "an entry %q", b.now.Name)
		}
		if err := writeState(filepath.Join(dir, name), b.Reader); err != nil {
			return err
		}
		if err := b.next(); err != nil {
			return err
		}
	}
	return nil
}

func writeState(path string, r io.Reader) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return f.Sync()
}

// swapState puts the stage in the place of the state that is there.
func swapState(dir, stage string) (aside string, err error) {
	ready := filepath.Join(dir, restoreReady)
	if err := os.RemoveAll(ready); err != nil {
		return "", err
	}
	if err := os.Rename(stage, ready); err != nil {
		return "", err
	}
	old := filepath.Join(dir, restoreBefore+clock.System().Now().UTC().Format("20060102T150405.000Z"))
	moved, err := moveAll(dir, old, func(name string) bool {
		return name != restoreReady && name != "types.d.ts" && name != "LOCK" && !strings.HasPrefix(name, restoreBefore)
	})
	if err != nil {
		return "", err
	}
	if moved > 0 {
		aside = old
	}
	if _, err := moveAll(ready, dir, func(name string) bool { return name != "LOCK" }); err != nil {
		return aside, err
	}
	return aside, os.RemoveAll(ready)
}

// moveAll moves what take says from one folder to another of the same disk.
func moveAll(from, to string, take func(name string) bool) (n int, err error) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !take(e.Name()) {
			continue
		}
		if err := os.MkdirAll(to, 0o700); err != nil {
			return n, err
		}
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// restoreBroken is the error of a folder in which a restore was cut off between
// taking the former state away and putting the backup in its place.
func restoreBroken(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, restoreReady)); err != nil {
		return nil //nolint:nilerr // not there, as it should be
	}
	return fault.New(fault.Conflict, "store: a restore into %s was interrupted", dir).
		WithHint("run `loopstart restore FILE --force` again; what was there before lies in %s*", restoreBefore).WithExit(fault.ExitStore)
}

func notBackup(err error) error {
	if err == nil {
		err = errors.New("it does not begin as one")
	}
	return fault.New(fault.Invalid, "restore: this is no backup of loopstart: %w", err).WithHint("`loopstart backup FILE` writes one").WithExit(fault.ExitStore)
}

func damaged(err error) error {
	return fault.New(fault.Invalid, "restore: the backup is damaged or cut off: %w", err).
		WithHint("nothing was changed; take another copy of it").WithExit(fault.ExitStore)
}
