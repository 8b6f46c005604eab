package store

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	memTableSize   = 16 << 20 // half of what one write-ahead file may grow to
	valueThreshold = 1 << 20  // nothing we write reaches it: the value log swallows sync errors
	blockCache     = 16 << 20
	openAttempts   = 8 // each failed attempt heals one half-made file
)

// openBadger opens the files. A kill in the moment when a memtable is rotated
// or dropped leaves an empty .mem file, on which the first open fails and
// which it makes good by failing (Badger issue 2207), so that it is tried
// again. A panic over a damaged file is an error like any other.
func openBadger(o Options) (db *badger.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("%v", r)
		}
	}()
	for range openAttempts {
		db, err = badger.Open(badgerOptions(o))
		if err == nil || !strings.Contains(err.Error(), "Create a new file") {
			return db, err
		}
		o.Log.Info("store: opening again after a kill during a rotation", "dir", o.Dir)
	}
	return nil, err
}

func badgerOptions(o Options) badger.Options {
	b := badger.DefaultOptions(o.Dir)
	if o.InMemory {
		b = badger.DefaultOptions("").WithInMemory(true)
	}
	return b.
		WithSyncWrites(true).
		WithDetectConflicts(false). // one writer
		WithMemTableSize(memTableSize).
		WithNumMemtables(3).
		WithNumLevelZeroTables(2). // merge little at a time: the reserve has to hold it
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(16 << 20).
		WithBlockCacheSize(blockCache).
		WithNumCompactors(2).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithMetricsEnabled(false). // expvar would be shared by two stores of one process
		WithLogger(badgerLog{o.Log})
}

// openFault says what is wrong with the folder and what to do about it.
func openFault(dir string, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, errLocked.Error()):
		return fault.New(fault.Conflict, "store: %s is in use by another process", dir).
			WithHint("stop the other loopstart, or give this one its own store.dir").WithExit(fault.ExitStore)
	case strings.Contains(text, "permission denied"), strings.Contains(text, "read-only file system"), strings.Contains(text, "not a directory"):
		return fault.New(fault.Denied, "store: cannot write to %s: %w", dir, err).
			WithHint("give the user that runs loopstart the folder, or set store.dir").WithExit(fault.ExitStore)
	case isFull(err):
		return fault.New(fault.Unavailable, "store: %s: %w", dir, err).
			WithHint("free space on the disk and start again; nothing was changed").WithExit(fault.ExitStore)
	}
	return fault.New(fault.Unavailable, "store: %s is damaged: %w", dir, err).
		WithHint("put a saved copy of the folder in its place, or move it away to begin with an empty one").WithExit(fault.ExitStore)
}

func openFull(dir string, free, reserve int64) error {
	return fault.New(fault.Unavailable, "store: %s: the disk is full: only %d MiB of disk are free, %d MiB are needed", dir, free>>20, reserve>>20).
		WithHint("free space on the disk and start again; nothing was changed").WithExit(fault.ExitStore)
}

// badgerLog passes Badger's own messages on. Its errors reach callers as
// errors, too, where there are callers; those of its background work do not.
type badgerLog struct{ log *slog.Logger }

// Errorf is a warning of ours: what could not be done is tried again.
func (l badgerLog) Errorf(f string, a ...any) { l.log.Warn("store: " + line(f, a)) }

// Warningf is for debugging.
func (l badgerLog) Warningf(f string, a ...any) { l.log.Debug("store: " + line(f, a)) }

// Infof is for debugging.
func (l badgerLog) Infof(f string, a ...any) { l.log.Debug("store: " + line(f, a)) }

// Debugf drops what is said about every write.
func (badgerLog) Debugf(string, ...any) {}

func line(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
