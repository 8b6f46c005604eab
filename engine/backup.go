package engine

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// A backup is a tar of gzip: head.json, the snapshot of the store in pieces,
// the script versions that its calls may still need, and end.json, without
// which it is cut off. Recordings, the speech cache and the project are not in
// it: those are files that are copied as files.
const (
	backupFormat = 1
	backupPiece  = 1 << 20 // bytes of the snapshot in one entry
	backupHead   = "head.json"
	backupStore  = "store/snapshot"
	backupState  = "state/"
	backupEnd    = "end.json"
)

// stateFiles are those beside the store that it refers to.
var stateFiles = []string{"bundles", "scripts.json"}

// BackupHead is what a backup says about itself.
type BackupHead struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the program that wrote it
	Created time.Time `json:"created"`
}

// Backup writes a consistent backup of the running engine's state.
func (e *Engine) Backup(w io.Writer) error {
	return writeBackup(w, e.store, e.stateDir(), BackupHead{backupFormat, e.opts.Version, e.clk.Now().UTC()})
}

// Backup implements api.Backups.
func (a *surface) Backup(w io.Writer) error { return a.e().Backup(w) }

// BackupStopped writes a backup of a state folder that no process uses.
func BackupStopped(dir, version string, log *slog.Logger, w io.Writer) (err error) {
	if err := restoreBroken(dir); err != nil {
		return err
	}
	if store.Empty(dir) {
		return fault.New(fault.NotFound, "backup: there is no store in %s", dir).WithHint("store.dir of loopstart.yaml names the folder; --dev takes that of `loopstart dev`").WithExit(fault.ExitStore)
	}
	clk := clock.System()
	s, err := store.Open(store.Options{Dir: dir, Clock: clk, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return writeBackup(w, s, dir, BackupHead{backupFormat, version, clk.Now().UTC()})
}

func writeBackup(w io.Writer, s *store.Store, dir string, head BackupHead) error {
	z := gzip.NewWriter(w)
	b := &backupWriter{tar.NewWriter(z), head.Created}
	first, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if err := b.add(backupHead, first); err != nil {
		return err
	}
	p := &backupPieces{b: b}
	if err := s.Snapshot(p); err != nil {
		return err
	}
	if err := p.flush(); err != nil {
		return err
	}
	// After the store, so that what it refers to is there.
	for _, name := range stateFiles {
		if err := b.tree(dir, name); err != nil {
			return err
		}
	}
	if err := b.add(backupEnd, []byte("{}")); err != nil {
		return err
	}
	return errors.Join(b.Close(), z.Close())
}

type backupWriter struct {
	*tar.Writer
	at time.Time
}

func (b *backupWriter) add(name string, body []byte) error {
	if err := b.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(body)), ModTime: b.at}); err != nil {
		return err
	}
	_, err := b.Write(body)
	return err
}

// tree adds a file or folder of the state folder; what goes away meanwhile is
// no longer needed.
func (b *backupWriter) tree(dir, name string) error {
	return filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return b.add(backupState+filepath.ToSlash(rel), body)
	})
}

// backupPieces cuts a stream of unknown length into entries.
type backupPieces struct {
	b   *backupWriter
	buf []byte
}

// Write implements io.Writer.
func (p *backupPieces) Write(in []byte) (int, error) {
	p.buf = append(p.buf, in...)
	if len(p.buf) < backupPiece {
		return len(in), nil
	}
	return len(in), p.flush()
}

func (p *backupPieces) flush() error {
	err := p.b.add(backupStore, p.buf)
	p.buf = p.buf[:0]
	return err
}
