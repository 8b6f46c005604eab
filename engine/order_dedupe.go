package engine

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"strings"
	"time"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// placingLocks is how many numbers can be ordered with dedupe at once without
// waiting for one another.
const placingLocks = 64

// maxDedupe is the longest time over which orders are compared.
const maxDedupe = 31 * 24 * time.Hour

var placingSeed = maphash.MakeSeed()

// placing lets one order with dedupe at a time be placed for a number.
func (o *orders) placing(ord *order) (unlock func()) {
	mu := &o.places[maphash.String(placingSeed, ord.To)%placingLocks]
	mu.Lock()
	return mu.Unlock
}

// same finds the newest order for the same script, number and key within the
// time; cancelled ones do not count.
func (o *orders) same(ord *order, within string) (Order, bool, error) {
	d, err := parseSpan(within)
	if err != nil || d <= 0 || d > maxDedupe {
		return Order{}, false, fault.New(fault.Invalid, "dedupe: %q is no duration up to %s", within, maxDedupe).WithHint(`write "24h"`)
	}
	q := store.Query{
		Fields: store.Fields{Script: ord.Script, To: ord.To, Key: ord.Key}, Since: o.e.clk.Now().Add(-d), Limit: store.MaxList,
	}
	for {
		rows, next, err := o.e.store.ListOrders(q)
		if err != nil {
			return Order{}, false, err
		}
		for _, row := range rows {
			var old Order
			if json.Unmarshal(row.JSON, &old) == nil && old.State != stateCancelled {
				return old, true, nil
			}
		}
		if q.Cursor = next; next == "" {
			return Order{}, false, nil
		}
	}
}

// noteDial remembers a dial of an order, for the frequency caps of campaigns.
func (s *campaigns) noteDial(to, id string) {
	number := phone.Normalize(to, s.e.Config().Project.Country)
	if !strings.HasPrefix(number, "+") {
		return
	}
	at := s.e.clk.Now()
	s.background(func(context.Context) {
		if err := s.repo.NoteDial(number, campaign.Dial{At: at, By: id}); err != nil {
			s.e.log.Error("engine: remember a dial", "call", id, "err", err)
		}
	})
}
