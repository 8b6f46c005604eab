package host

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

func itoa(n int) string { return strconv.Itoa(n) }

func (s *Session) kvGet(_ context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		Key string `json:"key"`
	}](r)
	if err != nil {
		return nil, err
	}
	value, ok, err := s.serv.KV.Get(o.Key)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return map[string]any{"found": false}, nil
	}
	return map[string]any{"found": true, "value": value}, nil
}

func (s *Session) kvSet(_ context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
		TTLMs int64           `json:"ttlMs"`
	}](r)
	if err != nil {
		return nil, err
	}
	return nil, s.serv.KV.Set(o.Key, o.Value, ms(o.TTLMs))
}

func (s *Session) kvDelete(_ context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		Key string `json:"key"`
	}](r)
	if err != nil {
		return nil, err
	}
	was, err := s.serv.KV.Delete(o.Key)
	return map[string]any{"deleted": was}, err
}

func (s *Session) kvIncrement(_ context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		Key   string `json:"key"`
		By    int64  `json:"by"`
		TTLMs int64  `json:"ttlMs"`
	}](r)
	if err != nil {
		return nil, err
	}
	sum, err := s.serv.KV.Increment(o.Key, o.By, ms(o.TTLMs))
	return map[string]any{"value": sum}, err
}

func (s *Session) kvCompareAndSet(_ context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		Key   string          `json:"key"`
		Old   json.RawMessage `json:"old"`
		New   json.RawMessage `json:"new"`
		TTLMs int64           `json:"ttlMs"`
	}](r)
	if err != nil {
		return nil, err
	}
	swapped, err := s.serv.KV.CompareAndSet(o.Key, o.Old, o.New, ms(o.TTLMs))
	return map[string]any{"swapped": swapped}, err
}

func (s *Session) kvList(_ context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		Prefix string `json:"prefix"`
		Limit  int    `json:"limit"`
		After  string `json:"after"`
	}](r)
	if err != nil {
		return nil, err
	}
	items, _, err := s.serv.KV.List(o.Prefix, o.Limit, o.After)
	if items == nil {
		items = []Item{}
	}
	return map[string]any{"items": items}, err
}

func (s *Session) deliver(_ context.Context, r message.Request) (any, error) {
	d, err := read[Delivery](r)
	if err != nil {
		return nil, err
	}
	id, err := s.serv.Outbox.Deliver(d)
	if err != nil {
		return nil, err
	}
	s.journal.Note("webhook", "stored for "+strip(d.URL), r.At)
	return map[string]any{"id": id}, nil
}

func (s *Session) lock(ctx context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		Key    string `json:"key"`
		TTLMs  int64  `json:"ttlMs"`
		WaitMs int64  `json:"waitMs"`
	}](r)
	if err != nil {
		return nil, err
	}
	token := s.serv.NewID()
	ctx, cancel := s.within(ctx, ms(o.WaitMs))
	defer cancel()
	if err := s.serv.Locks.Lock(ctx, o.Key, ms(o.TTLMs), token); err != nil {
		if fault.CodeOf(err) == fault.Unavailable && ctx.Err() != nil {
			return nil, fault.New(fault.Conflict, "lock %q was not free within %s", o.Key, ms(o.WaitMs))
		}
		return nil, err
	}
	return map[string]any{"token": token}, nil
}

// within ends a context after d on the session's clock. What the end of the
// time sets going counts as busy until cancel is called.
func (s *Session) within(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, stop := context.WithCancel(ctx)
	t := s.serv.Clock.AfterFunc(d, func() {
		s.serv.Clock.Busy(1)
		stop()
	})
	return ctx, func() {
		if !t.Stop() {
			s.serv.Clock.Busy(-1)
		}
		stop()
	}
}

func (s *Session) unlock(_ context.Context, r message.Request) (any, error) {
	o, err := read[struct {
		Key   string `json:"key"`
		Token string `json:"token"`
	}](r)
	if err != nil {
		return nil, err
	}
	held, err := s.serv.Locks.Release(o.Key, o.Token)
	return map[string]any{"held": held}, err
}
