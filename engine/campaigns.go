package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	campaignstore "github.com/loopstart/loopstart/store/campaigns"
)

// MaxCampaigns is how many campaigns there may be that are not over.
const MaxCampaigns = 1000

// campaigns are the campaigns that are not over, each with a goroutine that
// steps it. It is the campaigns' dialer, and lends them lines.
type campaigns struct {
	e      *Engine
	repo   campaign.Repo
	phones campaign.Phones
	ctx    context.Context // of the goroutines: they outlive e.ctx until the last result is written
	stop   context.CancelFunc
	wg     sync.WaitGroup
	halted atomic.Bool // nothing new is dialled

	opening sync.Mutex
	mu      sync.Mutex
	open    map[string]*operation
	flights map[string]*flight // by attempt id, from Take or Dial to the result
	shown   map[string]*counter
}

// flight is an attempt of a campaign with what was reserved for it.
type flight struct {
	seat     *seat // nil if the number cannot be dialled
	unplaced error // why
	dropped  bool  // given up before its call was there
}

func (s *campaigns) init(e *Engine) {
	s.e, s.open, s.flights, s.shown = e, map[string]*operation{}, map[string]*flight{}, map[string]*counter{}
	s.ctx, s.stop = context.WithCancel(context.Background())
}

// deps are what a campaign works with.
func (s *campaigns) deps() campaign.Deps {
	return campaign.Deps{
		Clock: s.e.clk, Repo: s.repo, Dialer: s, Lines: s, Stop: stopList{s.e}, Phones: &s.phones, Zone: s.e.Config().Project.Zone,
		Lookup: s.lookup, Changed: s.changed, Closed: s.closed, Log: s.e.log,
	}
}

// recover takes up the campaigns that an earlier process left. What was in a
// call then is settled; nothing is dialled before start.
func (s *campaigns) recover() error {
	s.repo = campaignstore.New(s.e.store.Space(campaignstore.SpaceName))
	return s.each(func(row campaign.Row) error {
		over := row.State == campaign.Cancelled || row.State == campaign.Completed
		if over && row.Counts.Waiting+row.Counts.Dialing == 0 { // else it was cut off while its contacts were closed
			return nil
		}
		_, err := s.take(row)
		return err
	})
}

// each reads all campaigns there are, oldest first.
func (s *campaigns) each(f func(campaign.Row) error) error {
	after := ""
	for {
		rows, err := s.repo.Rows(after, rowBatch)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := f(row); err != nil {
				return err
			}
		}
		if len(rows) < rowBatch {
			return nil
		}
		after = rows[len(rows)-1].ID
	}
}

const rowBatch = 200

// operation is a campaign in memory. It is let go when it is over and nobody
// uses it.
type operation struct {
	*campaign.Campaign
	users int
	stop  context.CancelFunc // of its goroutine; nil before start
}

// over reports whether nothing is left to do unless contacts are added.
func (o *operation) over() bool {
	row := o.Row()
	return (row.State == campaign.Cancelled || row.State == campaign.Completed) && row.Counts.Dialing+row.Counts.Waiting == 0
}

// take opens a stored campaign, unless somebody has done so meanwhile.
func (s *campaigns) take(row campaign.Row) (*operation, error) {
	s.opening.Lock() // two instances of one campaign would both dial
	defer s.opening.Unlock()
	s.mu.Lock()
	other, n := s.open[row.ID], len(s.open)
	s.mu.Unlock()
	switch {
	case other != nil:
		return other, nil
	case n >= MaxCampaigns:
		return nil, fault.New(fault.Limit, "campaigns: %d at once", MaxCampaigns).WithHint("cancel some that are not needed any more")
	}
	c, err := campaign.Open(row, s.deps())
	if err != nil {
		return nil, err
	}
	return s.adopt(c), nil
}

func (s *campaigns) adopt(c *campaign.Campaign) *operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &operation{Campaign: c}
	s.open[c.ID()] = o
	if s.started() {
		s.run(o)
	}
	return o
}

func (s *campaigns) started() bool {
	select {
	case <-s.e.up:
		return true
	default:
		return false
	}
}

// start lets the recovered campaigns run.
func (s *campaigns) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		s.run(c)
	}
}

// run steps a campaign until it is let go. s.mu is held.
func (s *campaigns) run(o *operation) {
	ctx, stop := context.WithCancel(s.ctx)
	o.stop = stop
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		o.Run(ctx)
	}()
}

// halt begins no further attempt; those in progress go on.
func (s *campaigns) halt() { s.halted.Store(true) }

// close writes the last results and ends the goroutines.
func (s *campaigns) close() {
	s.halt()
	s.stop()
	s.wg.Wait()
	for _, c := range s.list() {
		c.Step()
	}
}

func (s *campaigns) list() []*operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.open))
}

// attempts is how many attempts are in flight.
func (s *campaigns) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.flights)
}

// use works on a campaign; one that is over is opened again for it.
func (s *campaigns) use(id string, f func(*campaign.Campaign) error) error {
	o, err := s.hold(id)
	if err != nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.users--
		s.letGo(o)
	}()
	return f(o.Campaign)
}

func (s *campaigns) hold(id string) (*operation, error) {
	for {
		s.mu.Lock()
		if o := s.open[id]; o != nil {
			o.users++
			s.mu.Unlock()
			return o, nil
		}
		s.mu.Unlock()
		row, err := s.row(id)
		if err != nil {
			return nil, err
		}
		if _, err := s.take(row); err != nil {
			return nil, err
		}
	}
}

// letGo forgets a campaign that is over. s.mu is held.
func (s *campaigns) letGo(o *operation) {
	if o.users > 0 || o.stop == nil || !o.over() {
		return
	}
	o.stop()
	delete(s.open, o.ID())
	delete(s.shown, o.ID())
}

// sweep lets go of campaigns that have ended by themselves, and forgets those
// that were over longer ago than their contacts are kept.
func (s *campaigns) sweep(now time.Time, keep time.Duration) error {
	s.mu.Lock()
	for _, o := range s.open {
		s.letGo(o)
	}
	s.mu.Unlock()
	if keep <= 0 {
		return nil
	}
	return s.each(func(row campaign.Row) error {
		s.mu.Lock()
		inUse := s.open[row.ID] != nil
		s.mu.Unlock()
		if inUse || row.Ended.IsZero() || now.Sub(row.Ended) < keep || s.e.ctx.Err() != nil {
			return nil
		}
		s.e.log.Info("campaign forgotten: it was over longer than keep.contacts", "campaign", row.ID)
		return s.repo.Drop(row.ID)
	})
}

// row is a campaign as it stands.
func (s *campaigns) row(id string) (campaign.Row, error) {
	s.mu.Lock()
	c := s.open[id]
	s.mu.Unlock()
	if c != nil {
		return c.Row(), nil
	}
	row, ok, err := s.repo.Row(id)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "no campaign %q", id)
	}
	return row, err
}

// freed tells the campaigns that a line may be free.
func (s *campaigns) freed() {
	for _, c := range s.list() {
		if row := c.Row(); row.State == campaign.Running && row.Counts.Waiting > 0 {
			c.Wake()
		}
	}
}

// splitID parts the id of an attempt or of a contact's order:
// campaign-contact.attempt.
func splitID(id string) (campaignID string, seq uint64, ok bool) {
	order, _, _ := strings.Cut(id, ".")
	campaignID, text, ok := strings.Cut(order, "-")
	if !ok {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	return campaignID, seq, err == nil
}

// contact is the contact behind the id of an attempt or an order.
func (s *campaigns) contact(id string) (row campaign.Row, k *campaign.Contact, ok bool, err error) {
	campaignID, seq, ok := splitID(id)
	if !ok {
		return row, nil, false, nil
	}
	if row, err = s.row(campaignID); err != nil {
		if f, isFault := errors.AsType[*fault.Error](err); isFault && f.Code == fault.NotFound {
			err = nil
		}
		return row, nil, false, err
	}
	k, ok, err = s.repo.Contact(campaignID, seq)
	return row, k, ok, err
}
