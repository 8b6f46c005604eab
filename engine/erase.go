package engine

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
	"github.com/loopstart/loopstart/store/outbox"
)

// Erased is what DELETE /v1/people/{phone} has removed, and what it left.
type Erased struct {
	Phone      string   `json:"phone"`
	Records    int      `json:"records"`
	Timelines  int      `json:"timelines"`
	Recordings int      `json:"recordings"`
	Orders     int      `json:"orders"`
	Contacts   int      `json:"contacts"` // of campaigns
	Deliveries int      `json:"deliveries"`
	StopList   bool     `json:"stop_list"` // the number is on it, and stays there
	Kept       []string `json:"kept"`      // in words
}

// erasing lets one erasure at a time go through the store.
type erasing struct{ sync.Mutex }

// Erase removes everything that is known of a number: records and timelines of
// its calls, recordings, orders (open ones are cancelled first), contacts of
// campaigns, deliveries about them. The stop-list stays, so that the number is
// not called again, and so does what scripts keep: kv and flows.
func (e *Engine) Erase(number string) (out Erased, err error) {
	n := phone.Normalize(strings.TrimSpace(number), e.Config().Project.Country)
	if digits := strings.TrimPrefix(n, "+"); len(digits) < phone.ShortestFull || strings.Trim(digits, "0123456789") != "" {
		return out, fault.New(fault.Invalid, "%q is no phone number", number).WithHint(`write "+79161234567"`)
	}
	if ourNumber(e.Config(), n) {
		return out, fault.New(fault.Invalid, "%s is a number of ours, not of a person", n).WithHint("it stands in routes or in from of a trunk; every call is about it")
	}
	e.erasing.Lock()
	defer e.erasing.Unlock()
	out = Erased{Phone: n, Kept: []string{"the stop-list", "kv and flows, which are the scripts' own"}}
	for _, l := range e.calls.list() {
		if s := l.Spec(); s.From.Number() == n || s.To.Number() == n {
			return out, fault.New(fault.Conflict, "%s is in a call right now: %s", n, l.ID()).WithHint("hang it up or wait for its end, and erase again")
		}
	}
	if err := e.eraseContacts(n, &out); err != nil {
		return out, err
	}
	if err := e.queues.erase(n); err != nil {
		return out, err
	}
	err = e.eraseCalls(n, &out)
	if _, stopped, serr := (stopList{e}).space().Get(n); serr == nil {
		out.StopList = stopped
	}
	return out, err
}

// ourNumber tells a number that trunks present, routes name or numbers labels.
func ourNumber(cfg *config.Config, n string) bool {
	for _, t := range cfg.Trunks {
		if slices.Contains(t.From, n) {
			return true
		}
	}
	for _, r := range cfg.Routes {
		if slices.Contains(r.To, n) {
			return true
		}
	}
	_, labelled := cfg.Number(n)
	return labelled
}

func (e *Engine) eraseContacts(n string, out *Erased) error {
	ids, err := e.campaigns.repo.CampaignsOf(n)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := e.campaigns.use(id, func(c *campaign.Campaign) error {
			gone, err := c.Erase(n)
			out.Contacts += gone
			return err
		})
		if err != nil {
			return err
		}
	}
	return e.campaigns.repo.ForgetDials(n)
}

// eraseCalls removes the calls and orders of a number and what came of them.
func (e *Engine) eraseCalls(n string, out *Erased) error {
	orders, err := e.ordersOf(n)
	if err != nil {
		return err
	}
	records, about, err := e.recordsOf(n)
	if err != nil {
		return err
	}
	for _, id := range orders {
		about[id] = true
	}
	if out.Recordings, err = e.record.erase(records); err != nil {
		return err
	}
	gone, err := e.store.EraseCalls(e.ctx, records, orders)
	out.Records, out.Timelines, out.Orders = gone.Records, gone.Timelines, gone.Orders
	if err != nil {
		return err
	}
	sent, err := e.outbox.Erase(func(it outbox.Item) bool { return aboutPerson(it, n, about) })
	out.Deliveries = sent.Removed
	if sent.Running > 0 {
		out.Kept = append(out.Kept, "a delivery that is on its way right now")
	}
	return err
}

// aboutPerson tells deliveries about a number: events and afterCall of its
// calls, and what scripts sent that holds the number. Undelivered ones of
// scripts go out first: they may be about others as well.
func aboutPerson(it outbox.Item, n string, about map[string]bool) bool {
	switch it.Kind {
	case kindEvent:
		order, _, _ := strings.Cut(strings.TrimPrefix(it.Queue, "event:"), ":")
		return about[order]
	case kindAfterCall:
		return it.Queue == "after:"+n || about[orderOf(strings.TrimPrefix(it.ID, "after-"))]
	}
	digits := strings.TrimPrefix(n, "+")
	return it.State != outbox.Waiting && (strings.Contains(string(it.Payload), digits) || strings.Contains(it.Queue, digits))
}

// ordersOf cancels the open orders to a number and lists all of them.
func (e *Engine) ordersOf(n string) (ids []string, err error) {
	q := store.Query{Fields: store.Fields{To: n}, Limit: store.MaxList}
	for {
		rows, next, err := e.store.ListOrders(q)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if row.Open {
				if err := e.CancelOrder(row.ID); err != nil {
					return nil, err
				}
			}
			ids = append(ids, row.ID)
		}
		if q.Cursor = next; next == "" {
			return ids, nil
		}
	}
}

// recordsOf lists the calls from and to a number, and the orders they are of.
func (e *Engine) recordsOf(n string) (ids []string, orders map[string]bool, err error) {
	orders = map[string]bool{}
	for _, side := range []store.Fields{{To: n}, {From: n}} {
		q := store.Query{Fields: side, Limit: store.MaxList}
		for {
			rows, next, err := e.store.ListRecords(q)
			if err != nil {
				return nil, nil, err
			}
			for _, row := range rows {
				ids = append(ids, row.ID)
				orders[orderOf(row.ID)] = true
			}
			if q.Cursor = next; next == "" {
				break
			}
		}
	}
	return ids, orders, nil
}

// erase deletes the recordings of calls: id, id-2, id-3, …
func (r *recordings) erase(calls []string) (n int, err error) {
	if len(calls) == 0 {
		return 0, nil
	}
	of := make(map[string]bool, len(calls))
	for _, id := range calls {
		of[id] = true
	}
	entries, err := fs.ReadDir(r.root.FS(), ".")
	if err != nil {
		return 0, fault.New(fault.Unavailable, "recordings: %w", err)
	}
	for _, entry := range entries {
		kind := filepath.Ext(entry.Name())
		if audioTypes[kind] == "" || !of[callOf(strings.TrimSuffix(entry.Name(), kind))] {
			continue
		}
		if rerr := r.root.Remove(entry.Name()); rerr == nil {
			n++
		} else if !errors.Is(rerr, fs.ErrNotExist) {
			err = fault.New(fault.Unavailable, "recordings: %w", rerr)
		}
	}
	return n, err
}

// ErasePerson implements api.People.
func (a *surface) ErasePerson(number string) (any, error) { return a.e().Erase(number) }
