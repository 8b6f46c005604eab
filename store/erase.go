package store

import "context"

// EraseCalls removes the records of calls with their timelines, and orders
// that are not open, whatever their age. IDs that are not there are passed
// over. It works in small steps; after an error some are removed.
func (s *Store) EraseCalls(ctx context.Context, records, orders []string) (n Swept, err error) {
	for part := range chunks(records) {
		removed, err := s.removeRows(ctx, tableRecords, part)
		n.Records += removed
		if err != nil {
			return n, err
		}
		gone := 0
		err = s.update(func(t *tx) error {
			gone = 0
			for _, id := range part {
				_, had, err := t.get(timelineKey(id))
				if err != nil {
					return err
				}
				if had {
					gone++
				}
				if err := dropTimeline(t, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n.Timelines += gone
	}
	for part := range chunks(orders) {
		removed, err := s.removeRows(ctx, tableOrders, part)
		n.Orders += removed
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// chunks cuts a list into what one transaction takes.
func chunks(ids []string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(ids) > 0 {
			n := min(len(ids), sweepBatch)
			if !yield(ids[:n]) {
				return
			}
			ids = ids[n:]
		}
	}
}
