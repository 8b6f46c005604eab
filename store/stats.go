package store

import "sync/atomic"

// counters are kept by the committer and the readers.
type counters struct {
	reads, writes, groups, refused, dropped, failures, reopened atomic.Uint64
}

// Stats are figures for metrics. Counts are since Open.
type Stats struct {
	Reads    uint64 // snapshots read
	Writes   uint64 // jobs answered, also those that changed nothing
	Groups   uint64 // transactions synced; Writes/Groups is what one fsync carries
	Refused  uint64 // jobs refused because the disk was full or failing
	Dropped  uint64 // …Later jobs refused because the queue was full
	Failures uint64 // writes or syncs that failed
	Reopened uint64 // times the files were opened again after that
	Pending  int    // jobs waiting for the committer, at most MaxPending
	Leases   int    // leases held
	Waiters  int    // callers waiting for a lease
	Bytes    int64  // size of the files
	Free     int64  // free bytes of the file system; 0 in memory
	Full     bool   // writes are refused for lack of space
	Failed   bool   // nothing is served until the files are open again
}

// Stats returns the present figures.
func (s *Store) Stats() Stats {
	held, waiting := s.leases.size()
	st := Stats{
		Reads: s.counts.reads.Load(), Writes: s.counts.writes.Load(), Groups: s.counts.groups.Load(),
		Refused: s.counts.refused.Load(), Dropped: s.counts.dropped.Load(),
		Failures: s.counts.failures.Load(), Reopened: s.counts.reopened.Load(),
		Pending: len(s.jobs), Leases: held, Waiters: waiting,
		Full: s.disk.full.Load(), Failed: s.failed.Load() != nil,
	}
	st.Free, _ = s.disk.room(0)
	if !s.dbMu.TryRLock() { // being reopened: metrics do not wait for a disk
		return st
	}
	defer s.dbMu.RUnlock()
	if s.db != nil {
		lsm, vlog := s.db.Size()
		st.Bytes = lsm + vlog
	}
	return st
}
