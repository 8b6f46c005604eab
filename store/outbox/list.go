package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// Keys of the space: an item under its class and number, and where it is by ID.
const (
	classWaiting  = "w/"
	classDead     = "x/"
	classFinished = "z/"
	classID       = "id/"

	pageItems = 200
	maxList   = 1000
	maxScan   = 20_000
)

// Stats are figures for metrics. Counts are since Open, except Dead.
type Stats struct {
	Waiting   int           // undelivered items, also those being delivered
	Running   int           // attempts in progress
	Dead      int           // dead items on disk
	Oldest    time.Duration // age of the oldest undelivered item
	Enqueued  uint64
	Attempts  uint64
	Failed    uint64 // attempts to be tried again
	Delivered uint64
	Stopped   uint64
	Refused   uint64 // Enqueue beyond MaxWaiting
	Passed    uint64 // attempts not made because the breaker was open
	Throttled uint64 // times a rate limit made an item wait
	Open      int    // destinations whose breaker is open
}

// Stats returns the present figures.
func (b *Outbox) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.counts
	s.Waiting, s.Running = len(b.plan.byID), b.plan.running
	now := b.clk.Now()
	for _, d := range b.plan.dests {
		if d.breaker.isOpen(now) {
			s.Open++
		}
	}
	for _, q := range b.plan.queues {
		s.Oldest = max(s.Oldest, now.Sub(q.items[0].created))
	}
	return s
}

// Get reads an item by its ID.
func (b *Outbox) Get(id string) (it Item, ok bool, err error) {
	where, ok, err := b.opt.Space.Get(classID + id)
	if err != nil || !ok {
		return it, false, err
	}
	raw, ok, err := b.opt.Space.Get(string(where))
	if err != nil || !ok {
		return it, false, err
	}
	if err := json.Unmarshal(raw, &it); err != nil {
		return it, false, fault.New(fault.Internal, "outbox: item %s: %w", id, err)
	}
	return it, true, nil
}

// List returns a page of the items of a state in the order in which they came,
// and the cursor of the next page, "" at the end. limit 0 is 100, at most 1,000.
func (b *Outbox) List(s State, limit int, cursor string) (items []Item, next string, err error) {
	class, ok := map[State]string{Waiting: classWaiting, Dead: classDead, Delivered: classFinished, Stopped: classFinished}[s]
	if !ok {
		return nil, "", fault.New(fault.Invalid, "outbox: no state %q", s).WithHint("waiting, dead, delivered or stopped")
	}
	if limit <= 0 {
		limit = store.DefaultList
	}
	limit = min(limit, maxList)
	after := cursor
	if after != "" {
		if _, err := strconv.ParseUint(after, 10, 64); err != nil {
			return nil, "", fault.New(fault.Invalid, "outbox: the cursor is not one of ours")
		}
		after = class + after
	}
	for seen := 0; seen < maxScan; seen += pageItems {
		page, err := b.opt.Space.Scan(class, after, pageItems)
		if err != nil {
			return nil, "", err
		}
		for _, en := range page {
			if len(items) == limit {
				return items, after[len(class):], nil
			}
			after = en.Key
			var it Item
			if err := json.Unmarshal(en.Value, &it); err != nil {
				return nil, "", fault.New(fault.Internal, "outbox: %s: %w", en.Key, err)
			}
			if it.State == s {
				items = append(items, b.present(it))
			}
		}
		if len(page) < pageItems {
			return items, "", nil
		}
	}
	return items, after[len(class):], nil
}

// present puts what only memory knows into an item from disk.
func (b *Outbox) present(it Item) Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.plan.byID[it.ID]
	if e == nil || it.State != Waiting {
		return it
	}
	it.Attempts, it.NextAt = e.attempts, e.nextAt
	if e.passed > 0 && it.LastError == "" {
		it.LastError = "not tried: the receiver does not answer"
	}
	return it
}

// Retry delivers an item now that is dead, stopped or waiting for its time, as
// if it had never been tried. A delivered one is CONFLICT.
func (b *Outbox) Retry(id string) error {
	it, ok, err := b.Get(id)
	if err != nil {
		return err
	}
	switch {
	case !ok:
		return fault.New(fault.NotFound, "outbox: no item %q", id)
	case it.State == Delivered:
		return fault.New(fault.Conflict, "outbox: item %q is delivered", id)
	case it.State == Stopped:
		return fault.New(fault.Conflict, "outbox: the receiver of %q wants no more of it", id)
	case it.State == Dead:
		if err := b.revive(it); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.plan.byID[id]; e != nil && e.phase == waiting {
		e.nextAt, e.attempts, e.passed = b.clk.Now(), 0, 0
		e.dest.failing, e.dest.breaker.until = false, time.Time{}
		b.plan.ready(e.queue, b)
		b.dispatch()
	}
	return nil
}

// revive moves a dead item back to its old place in its queue.
func (b *Outbox) revive(it Item) error {
	where, ok, err := b.opt.Space.Get(classID + it.ID)
	if err != nil || !ok {
		return err
	}
	seq, err := strconv.ParseUint(string(where[len(classDead):]), 10, 64)
	if err != nil {
		return fault.New(fault.Internal, "outbox: item %s: %w", it.ID, err)
	}
	it.State, it.Attempts, it.NextAt, it.Finished = Waiting, 0, b.clk.Now(), time.Time{}
	if !it.Expires.IsZero() && !b.clk.Now().Before(it.Expires) {
		it.Expires = time.Time{}
	}
	raw := it.encode()
	to := classWaiting + number(seq)
	// New: of two who revive it at once only one moves it.
	err = b.opt.Space.Apply(store.Op{Key: to, Value: raw, New: true},
		store.Op{Key: string(where)}, store.Op{Key: classID + it.ID, Value: []byte(to)})
	if fault.CodeOf(err) == fault.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Dead--
	if b.plan.byID[it.ID] == nil {
		b.plan.insert(it, b.known(it, seq))
	}
	return nil
}

// encode is the stored form; an item that was checked always has one. The
// payload keeps "<" and its kind as they came.
func (it Item) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(it)
	return b.Bytes()
}

// known is the entry of an item that is on disk.
func (b *Outbox) known(it Item, seq uint64) *entry {
	return &entry{
		id: it.ID, seq: seq, nextAt: it.NextAt,
		expires: it.Expires, created: it.Created, attempts: it.Attempts, phase: waiting,
	}
}

// load plans what the disk holds.
func (b *Outbox) load() error {
	latest := b.clk.Now().Add(hourly)
	err := b.each(classWaiting, func(seq uint64, it Item) {
		e := b.known(it, seq)
		// A clock that was set back must not turn an hour into a day.
		if e.nextAt.After(latest) {
			e.nextAt = latest
		}
		b.plan.insert(it, e)
	})
	if err != nil {
		return err
	}
	if b.counts.Dead, err = b.opt.Space.Count(classDead); err != nil {
		return err
	}
	if err := b.lastNumber(); err != nil {
		return err
	}
	for _, q := range b.plan.queues {
		b.plan.ready(q, b)
	}
	return nil
}

// lastNumber finds the highest number on disk.
func (b *Outbox) lastNumber() error {
	for _, class := range []string{classWaiting, classDead, classFinished} {
		key, ok, err := b.opt.Space.Last(class)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		seq, err := strconv.ParseUint(key[len(class):], 10, 64)
		if err != nil {
			return fault.New(fault.Internal, "outbox: %s: %w", key, err)
		}
		b.seq = max(b.seq, seq)
	}
	return nil
}

// each reads a whole class.
func (b *Outbox) each(class string, f func(seq uint64, it Item)) error {
	for after := ""; ; {
		page, err := b.opt.Space.Scan(class, after, pageItems)
		if err != nil {
			return err
		}
		for _, en := range page {
			after = en.Key
			var it Item
			seq, err := strconv.ParseUint(en.Key[len(class):], 10, 64)
			if err == nil {
				err = json.Unmarshal(en.Value, &it)
			}
			if err != nil {
				return fault.New(fault.Internal, "outbox: %s: %w", en.Key, err)
			}
			f(seq, it)
		}
		if len(page) < pageItems {
			return nil
		}
	}
}

// Sweep forgets what was delivered, stopped or given up before now − keep, and
// reports how much. A forgotten ID may be enqueued again.
func (b *Outbox) Sweep(ctx context.Context, now time.Time, keep time.Duration) (removed int, err error) {
	if keep <= 0 {
		return 0, nil
	}
	for _, class := range []string{classFinished, classDead} {
		n, err := b.sweep(ctx, class, now.Add(-keep))
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (b *Outbox) sweep(ctx context.Context, class string, before time.Time) (removed int, err error) {
	for after := ""; ctx.Err() == nil; {
		page, err := b.opt.Space.Scan(class, after, store.MaxOps/2)
		if err != nil {
			return removed, err
		}
		var ops []store.Op
		for _, en := range page {
			after = en.Key
			var it Item
			if err := json.Unmarshal(en.Value, &it); err != nil {
				return removed, fault.New(fault.Internal, "outbox: %s: %w", en.Key, err)
			}
			if it.Finished.Before(before) {
				ops = append(ops, store.Op{Key: en.Key}, store.Op{Key: classID + it.ID})
			}
		}
		if len(ops) > 0 {
			if err := b.opt.Space.Apply(ops...); err != nil {
				return removed, err
			}
			removed += len(ops) / 2
			if class == classDead {
				b.mu.Lock()
				b.counts.Dead -= len(ops) / 2
				b.mu.Unlock()
			}
		}
		if len(page) < store.MaxOps/2 {
			return removed, nil
		}
	}
	return removed, fault.New(fault.Unavailable, "outbox: sweep: %w", ctx.Err())
}
