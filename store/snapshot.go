package store

import (
	"fmt"
	"io"
	"os"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/fault"
)

// loadPending is how many batches of a snapshot are written at once.
const loadPending = 16

// Snapshot writes everything that is durable at this moment to w, for Load.
// Writing goes on meanwhile and is not in it.
func (s *Store) Snapshot(w io.Writer) error {
	if fe := s.failed.Load(); fe != nil {
		return fe
	}
	s.dbMu.RLock()
	defer s.dbMu.RUnlock()
	if s.db == nil {
		return errClosed()
	}
	if _, err := s.db.Backup(w, 0); err != nil {
		return fault.New(fault.Unavailable, "store: snapshot: %w", err).WithExit(fault.ExitStore)
	}
	return nil
}

// Load makes a store of what Snapshot wrote, in a folder that has none. The
// folder is no store when it fails: remove it then.
func Load(o Options, r io.Reader) (err error) {
	if !Empty(o.Dir) {
		return fault.New(fault.Conflict, "store: %s is not empty", o.Dir).WithExit(fault.ExitStore)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return openFault(o.Dir, err)
	}
	db, err := badger.Open(badgerOptions(o).WithSyncWrites(false)) // closing writes it out
	if err != nil {
		return openFault(o.Dir, err)
	}
	defer func() {
		if p := recover(); p != nil { // lengths that a damaged stream claims
			err = fmt.Errorf("store: load: %v", p)
		}
		if cerr := db.Close(); err == nil && cerr != nil {
			err = openFault(o.Dir, cerr)
		}
	}()
	if err := db.Load(r, loadPending); err != nil {
		return fmt.Errorf("store: load: %w", err)
	}
	return nil
}

// Empty reports whether no store lies in a folder.
func Empty(dir string) bool {
	_, err := os.Stat(dir + "/" + badger.ManifestFilename)
	return os.IsNotExist(err)
}

// Claim takes a folder for this process as an open store does, until release;
// it opens nothing, so that a damaged store can be put aside.
func Claim(dir string) (release func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, openFault(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, openFault(dir, errLocked)
	}
	return func() { _ = f.Close() }, nil
}
