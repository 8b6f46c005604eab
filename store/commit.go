package store

import (
	"context"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// MaxPending is how many jobs may wait for the committer.
	MaxPending = 4096
	// MaxGroup is how many jobs share one fsync.
	MaxGroup = 1024

	groupBytes   = 1 << 20 // a group is closed when it holds this much
	groupEntries = 8192

	// groupWait is how long jobs for which nobody waits are held back, so that
	// the calls of a busy moment share an fsync. A job that is waited for takes
	// them with it at once.
	groupWait = 10 * time.Millisecond
)

// job is one atomic change. Its steps see everything before it in the queue.
type job struct {
	f    func(*tx) error
	done func(error) // called once, on the committer
	err  error       // of f itself; it changed nothing
	idle bool        // nobody waits for it
}

// update runs f on the committer and returns when its effect is durable.
func (s *Store) update(f func(*tx) error) error {
	if s.closing.Load() {
		return errClosed()
	}
	done := make(chan error, 1)
	j := &job{f: f, done: func(err error) { done <- err }}
	if err := s.hand(context.Background(), j); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-s.gone:
	}
	select { // the committer may have answered as its last act
	case err := <-done:
		return err
	default:
		return errClosed()
	}
}

// hand queues a job that is waited for; a full queue is waited for, too.
func (s *Store) hand(ctx context.Context, j *job) error {
	s.urgent.Add(1)
	select {
	case s.jobs <- j:
		s.hasten()
		return nil
	case <-s.quit:
		s.urgent.Add(-1)
		return errClosed()
	case <-ctx.Done():
		s.urgent.Add(-1)
		return fault.New(fault.Unavailable, "store: flush: %w", ctx.Err())
	}
}

// updateLater queues f and returns at once; done, which may be nil, hears when
// it is durable. A full queue answers LIMIT through done.
func (s *Store) updateLater(f func(*tx) error, done func(error)) {
	s.queue(&job{f: f}, done)
}

// updateIdle is updateLater for what may be held back by groupWait.
func (s *Store) updateIdle(f func(*tx) error, done func(error)) {
	s.queue(&job{f: f, idle: true}, done)
}

func (s *Store) queue(j *job, done func(error)) {
	s.clk.Busy(1)
	j.done = func(err error) {
		if done != nil {
			done(err)
		}
		s.clk.Busy(-1)
	}
	if err := s.offer(j); err != nil {
		j.done(err)
	}
}

// offer queues j if there is room. What it has queued is written: Close takes
// the gate alone before it tells the committer to stop.
func (s *Store) offer(j *job) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closing.Load() {
		return errClosed()
	}
	if !j.idle {
		s.urgent.Add(1)
	}
	select {
	case s.jobs <- j:
		if s.pressing() {
			s.hasten()
		}
		return nil
	default:
		if !j.idle {
			s.urgent.Add(-1)
		}
		s.counts.dropped.Add(1)
		return fault.New(fault.Limit, "store: %d writes are waiting for the disk", MaxPending)
	}
}

// Flush returns when everything queued before it is durable.
func (s *Store) Flush(ctx context.Context) error {
	if s.closing.Load() {
		return errClosed()
	}
	done := make(chan error, 1)
	j := &job{f: func(*tx) error { return nil }, done: func(err error) { done <- err }}
	if err := s.hand(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-s.gone:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "store: flush: %w", ctx.Err())
	}
}

// pressing tells that the queue holds what is waited for, or a full group.
func (s *Store) pressing() bool { return s.urgent.Load() > 0 || len(s.jobs) >= MaxGroup }

// hasten ends the rest of the committer, if the queue is pressing.
func (s *Store) hasten() {
	select {
	case s.hurry <- struct{}{}:
	default: // it has been told
	}
}

// rest holds a group back whose first job nobody waits for. The committer does
// not listen for further jobs meanwhile: to wake up for each of them costs more
// than to write it.
func (s *Store) rest() {
	over := make(chan struct{})
	timer := s.clk.AfterFunc(s.wait, func() { close(over) })
	defer timer.Stop()
	for !s.pressing() {
		select {
		case <-over:
			return
		case <-s.quit:
			return
		case <-s.hurry: // perhaps for a group before this one
		}
	}
}

// commitLoop is the committer: it gathers jobs while the last group is synced.
func (s *Store) commitLoop() {
	defer close(s.gone)
	for {
		select {
		case j := <-s.jobs:
			s.commit(j)
		case <-s.quit:
			s.drain()
			return
		}
	}
}

// drain writes what was queued before Close.
func (s *Store) drain() {
	for {
		select {
		case j := <-s.jobs:
			s.commit(j)
		default:
			return
		}
	}
}

// commit makes one group of first and whatever is waiting behind it.
func (s *Store) commit(first *job) {
	if fe := s.ready(); fe != nil {
		s.counts.refused.Add(1)
		s.taken(first)
		first.done(fe)
		return
	}
	if first.idle && s.wait > 0 {
		s.rest()
	}
	group, err := s.gather(first)
	if err != nil {
		fe := s.fail(err)
		for _, j := range group {
			j.done(fe)
		}
		return
	}
	s.counts.groups.Add(1)
	for _, j := range group {
		s.counts.writes.Add(1)
		j.done(j.err)
	}
}

// taken keeps the count of what is waited for in the queue.
func (s *Store) taken(j *job) {
	if !j.idle {
		s.urgent.Add(-1)
	}
}

// gather runs jobs in one transaction and commits it. A job that does not fit
// any more is kept for the transaction after it.
func (s *Store) gather(first *job) (group []*job, err error) {
	s.dbMu.RLock()
	defer s.dbMu.RUnlock()
	b := batch{store: s, txn: s.db.NewTransaction(true)}
	defer func() { b.txn.Discard() }()
	for j := first; j != nil; j = s.next(len(group), &b) {
		group = append(group, j)
		s.taken(j)
		if err := b.run(j); err != nil {
			return group, err
		}
	}
	return group, b.commit()
}

// next is the job to add to the group, or nil when the group is to be closed.
func (s *Store) next(n int, b *batch) *job {
	if n >= MaxGroup || b.bytes >= groupBytes || b.entries >= groupEntries {
		return nil
	}
	select {
	case j := <-s.jobs:
		return j
	default:
		return nil
	}
}

// batch is the transaction of one group.
type batch struct {
	store   *Store
	txn     *badger.Txn
	bytes   int
	entries int
}

// run lets j work on the batch. The error is the batch's, not the job's.
func (b *batch) run(j *job) error {
	t := &tx{view: view{txn: b.txn, now: b.store.nowMs()}}
	if j.err = j.f(t); j.err != nil {
		return nil
	}
	size := t.size()
	if b.bytes > 0 && (b.bytes+size > groupBytes*2 || b.entries+len(t.order) > groupEntries*2) {
		if err := b.commit(); err != nil {
			return err
		}
		b.txn, b.bytes, b.entries = b.store.db.NewTransaction(true), 0, 0
	}
	if err := t.apply(b.txn); err != nil {
		return err
	}
	b.bytes += size
	b.entries += len(t.order)
	return nil
}

func (b *batch) commit() error {
	if b.entries == 0 {
		return nil
	}
	if err := b.store.sync(b.txn); err != nil {
		return err
	}
	return b.store.wal.check()
}
