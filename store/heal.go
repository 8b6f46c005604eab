package store

import (
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// healDelay is how long a failing disk is left alone before the next try.
const healDelay = time.Second

// ready tells why no group can be written now, or nil.
func (s *Store) ready() *fault.Error {
	if fe := s.failed.Load(); fe != nil {
		return fe
	}
	free, ok := s.disk.room(groupBytes * 2)
	if ok {
		if s.disk.full.CompareAndSwap(true, false) {
			s.log.Info("store: disk has room again", "free", free)
		}
		return nil
	}
	if s.disk.full.CompareAndSwap(false, true) {
		s.log.Error("store: disk is full, writes are refused", "dir", s.opt.Dir, "free", free, "reserve", s.disk.reserve)
	}
	return fault.New(fault.Unavailable, "store: disk is full").WithHint("free space on the disk of %s; the store goes on by itself", s.opt.Dir)
}

// fail takes the store out of use after a write that may or may not be on
// disk. What the failed sync has left in the write-ahead file cannot be trusted
// (the kernel forgets the pages it could not write), so the files are closed,
// which writes the memory tables anew, and opened again.
func (s *Store) fail(err error) *fault.Error {
	fe := fault.New(fault.Unavailable, "store: write: %w", err).WithHint("see the disk of %s; the store goes on by itself", s.opt.Dir)
	s.counts.failures.Add(1)
	s.failed.Store(fe)
	s.log.Error("store: write failed, reopening", "dir", s.opt.Dir, "error", err)
	s.heal()
	return fe
}

// timerBox is the next try to reopen, which Close stops.
type timerBox struct{ clock.Timer }

// heal reopens the files, now or in a second, until it works.
func (s *Store) heal() {
	if s.closing.Load() {
		return
	}
	if err := s.reopen(); err != nil {
		s.log.Debug("store: still failing", "error", err)
		s.healing.Store(&timerBox{s.clk.AfterFunc(healDelay, func() { go s.heal() })})
		return
	}
	s.counts.reopened.Add(1)
	s.failed.Store(nil)
	s.log.Info("store: writing again", "dir", s.opt.Dir)
}

// reopen closes what is open and opens it again. A store in memory has no
// files that could be damaged and is taken back as it is.
func (s *Store) reopen() error {
	if s.opt.InMemory {
		return nil
	}
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	if s.closing.Load() {
		return errClosed()
	}
	if free, ok := s.disk.room(0); !ok { // closing needs room, too
		return openFull(s.opt.Dir, free, s.disk.reserve)
	}
	if s.db != nil {
		db := s.db
		s.db = nil
		if err := db.Close(); err != nil {
			s.log.Warn("store: close before reopening", "error", err)
		}
	}
	return s.openDB()
}
