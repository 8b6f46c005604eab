package store

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// sweepBatch is how many rows are removed in one transaction.
const sweepBatch = 200

// Keep says how long things are kept; 0 keeps them for ever.
type Keep struct {
	Calls     time.Duration // records, and orders that are not open
	Timelines time.Duration
}

// Swept counts what a sweep has removed.
type Swept struct{ Records, Orders, Timelines int }

// Sweep removes what is older than keep at now. It works in small steps, so
// that writers are not held up, and stops early when ctx ends.
func (s *Store) Sweep(ctx context.Context, now time.Time, keep Keep) (n Swept, err error) {
	if keep.Calls > 0 {
		before := now.Add(-keep.Calls)
		if n.Records, err = s.sweepRows(ctx, tableRecords, before); err != nil {
			return n, err
		}
		if n.Orders, err = s.sweepRows(ctx, tableOrders, before); err != nil {
			return n, err
		}
	}
	if keep.Timelines > 0 {
		n.Timelines, err = s.sweepTimelines(ctx, now.Add(-keep.Timelines))
	}
	return n, err
}

// sweepRows removes the rows of t before a time, the newest of them first.
func (s *Store) sweepRows(ctx context.Context, t table, before time.Time) (removed int, err error) {
	prefix := term{indexAll, ""}.prefix(t)
	from := append(prefix[:len(prefix):len(prefix)], descending(before.Add(-1))...)
	for {
		var ids []string
		err := s.view(func(v *view) error {
			return v.keys(prefix, from, func(key []byte) (bool, error) {
				ids = append(ids, string(key[len(prefix)+8:]))
				from = append(append([]byte{}, key...), 0)
				return len(ids) < sweepBatch, nil
			})
		})
		if err != nil || len(ids) == 0 {
			return removed, err
		}
		n, err := s.removeRows(ctx, t, ids)
		removed += n
		if err != nil {
			return removed, err
		}
	}
}

// removeRows removes rows that are not open.
func (s *Store) removeRows(ctx context.Context, t table, ids []string) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, fault.New(fault.Unavailable, "store: sweep: %w", err)
	}
	err = s.update(func(x *tx) error {
		n = 0
		for _, id := range ids {
			r, ok, err := readRow(x.get, t, id)
			if err != nil {
				return err
			}
			if !ok || r.Open {
				continue
			}
			n++
			if err := dropIndexes(x, t, r, nil); err != nil {
				return err
			}
			if err := x.del(rowKey(t, id)); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// sweepTimelines removes the timelines that began before a time, oldest first.
func (s *Store) sweepTimelines(ctx context.Context, before time.Time) (removed int, err error) {
	for {
		var ids []string
		err := s.view(func(v *view) error {
			return v.keys([]byte{classTimeAge}, []byte{classTimeAge}, func(key []byte) (bool, error) {
				if int64(binary.BigEndian.Uint64(key[1:])) >= before.UnixNano() {
					return false, nil
				}
				ids = append(ids, string(key[9:]))
				return len(ids) < sweepBatch, nil
			})
		})
		if err != nil || len(ids) == 0 {
			return removed, err
		}
		if err := ctx.Err(); err != nil {
			return removed, fault.New(fault.Unavailable, "store: sweep: %w", err)
		}
		if err := s.update(func(t *tx) error {
			for _, id := range ids {
				if err := dropTimeline(t, id); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return removed, err
		}
		removed += len(ids)
	}
}
