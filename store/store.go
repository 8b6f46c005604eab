package store

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// Options say where a store lives.
type Options struct {
	Dir      string       // folder of the store, made when missing; unused with InMemory
	InMemory bool         // keep everything in memory, for tests
	Clock    clock.Clock  // decides what has expired; nil means the system's
	Log      *slog.Logger // nil means silence
	// Reserve is the free disk space in bytes below which writes are refused.
	// 0 means 96 MiB; less is safe only for a store that stays small.
	Reserve int64
	// MaxValue is the longest value in bytes; 0, or more than the constant of
	// that name, means the constant.
	MaxValue int
}

func (o *Options) maxValue() int {
	if o.MaxValue <= 0 || o.MaxValue > MaxValue {
		return MaxValue
	}
	return o.MaxValue
}

// Store is an open store.
type Store struct {
	opt Options
	clk clock.Clock
	log *slog.Logger

	// dbMu is held shared while db is used and alone while it is replaced.
	dbMu   sync.RWMutex
	db     *badger.DB
	failed atomic.Pointer[fault.Error] // why db may not be used now; nil when it may

	jobs    chan *job
	urgent  atomic.Int64  // jobs among them that are waited for
	hurry   chan struct{} // a token makes the resting committer look at its queue
	quit    chan struct{}
	gone    chan struct{} // closed when the committer has ended
	gate    sync.RWMutex  // held shared while offering a job, alone to begin closing
	closing atomic.Bool
	healing atomic.Pointer[timerBox]
	disk    disk
	wal     walWatch
	leases  leaseTable
	counts  counters

	// wait is groupWait; 0 where the clock is not the machine's, which stands
	// still while a job is in flight.
	wait time.Duration

	// sync is what makes a group durable; tests put a failing one here.
	sync func(*badger.Txn) error
}

// Open opens or makes the store of o.Dir and starts its committer.
func Open(o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		opt: o, clk: o.Clock, log: o.Log,
		jobs: make(chan *job, MaxPending), hurry: make(chan struct{}, 1),
		quit: make(chan struct{}), gone: make(chan struct{}),
		sync: func(txn *badger.Txn) error { return txn.Commit() },
	}
	if s.clk == clock.System() {
		s.wait = groupWait
	}
	s.leases.init(s.clk)
	if !o.InMemory {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, openFault(o.Dir, err)
		}
		s.disk.init(o.Dir, o.Reserve)
	}
	if err := s.openDB(); err != nil {
		return nil, err
	}
	go s.commitLoop()
	return s, nil
}

// openDB opens Badger and what watches its files.
func (s *Store) openDB() error {
	if free, ok := s.disk.room(0); !ok {
		return openFull(s.opt.Dir, free, s.disk.reserve)
	}
	if !s.opt.InMemory {
		if err := mend(s.opt.Dir); err != nil {
			return openFault(s.opt.Dir, err)
		}
	}
	db, err := openBadger(s.opt)
	if err != nil {
		return openFault(s.opt.Dir, err)
	}
	s.db = db
	if !s.opt.InMemory {
		s.wal.init(s.opt.Dir)
	}
	return nil
}

// Close writes what is queued, closes the files and releases the folder. It
// may be called more than once.
func (s *Store) Close() error {
	s.gate.Lock()
	first := s.closing.CompareAndSwap(false, true)
	s.gate.Unlock()
	if !first {
		<-s.gone
		return nil
	}
	close(s.quit)
	<-s.gone
	s.leases.close()
	if t := s.healing.Load(); t != nil {
		t.Stop()
	}
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	s.failed.Store(errClosed())
	if free, ok := s.disk.room(0); !ok {
		// Closing writes the memory tables out, for which there is no room. The
		// write-ahead file has it all; the next Open reads it.
		return openFull(s.opt.Dir, free, s.disk.reserve)
	}
	err := db.Close()
	if err != nil {
		return fault.New(fault.Unavailable, "store: close %s: %w", s.opt.Dir, err).WithExit(fault.ExitStore)
	}
	return nil
}

func errClosed() *fault.Error { return fault.New(fault.Unavailable, "store: closed") }

// view runs f on a consistent snapshot of what is durable.
func (s *Store) view(f func(v *view) error) (err error) {
	if fe := s.failed.Load(); fe != nil {
		return fe
	}
	s.dbMu.RLock()
	defer s.dbMu.RUnlock()
	if fe := s.failed.Load(); fe != nil {
		return fe
	}
	if s.db == nil {
		return errClosed()
	}
	s.counts.reads.Add(1)
	// A rotation that fails leaves Badger without a memory table: a read in the
	// moment before the committer has closed it must not end the process.
	defer func() {
		if r := recover(); r != nil {
			err = fault.New(fault.Unavailable, "store: read: %v", r)
		}
	}()
	err = s.db.View(func(txn *badger.Txn) error {
		return f(&view{txn: txn, now: s.nowMs()})
	})
	return readFault(err)
}

// readFault gives an error of the engine below a code; ours pass unchanged.
func readFault(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.New(fault.Unavailable, "store: read: %w", err)
}

// nowMs is the injected time in Unix milliseconds.
func (s *Store) nowMs() int64 { return s.clk.Now().UnixMilli() }
