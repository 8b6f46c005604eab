package campaign

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// Fairness is the share of dials that go to the contact due longest,
	// whatever its priority: one in so many.
	Fairness = 8
	// Ahead is how many entries of each queue are held in memory.
	Ahead = 64
	// StepBatch is how many contacts one step looks at.
	StepBatch = 64

	nap         = time.Minute      // the longest sleep, so that a clock step is noticed
	lineNap     = time.Second      // when no line was free
	inCallDelay = 30 * time.Second // for a number that is in a call
	unsureDelay = time.Minute      // when the stop-list cannot be read
	diskRetry   = 5 * time.Second  // when the disk refuses results
	sweepBatch  = 500
)

// Campaign is one campaign in operation.
type Campaign struct {
	id   string
	deps Deps
	log  *slog.Logger

	turn chan struct{} // holds one token; who has taken it owns what follows
	state
	shown atomic.Pointer[Row]

	wake chan struct{} // capacity 1: a wake-up more says nothing new
	mu   sync.Mutex
	in   []note // at most one for each attempt in flight
}

// state is what the holder of the turn owns.
type state struct {
	row    Row
	window Window
	zones  map[string]*zone
	queues map[Queue]*queue
	flight map[string]*flight // by attempt id
	heard  []*flight          // of these, the ones with a result or decision that is not on disk
	pace   bucket
	picks  int
	lines  bool              // the last step found no free line
	retry  time.Time         // when to offer the disk again what it refused
	known  map[string]string // zones by the beginning of a number
}

// flight is an attempt that is being prepared, dialled or talking.
type flight struct {
	attempt  Attempt
	contact  *Contact // as it is on disk
	intent   bool     // on disk
	dropped  bool     // removed meanwhile: this was its last attempt
	result   *Result
	decision *Decision
}

// note is what comes from outside between two steps.
type note struct {
	id       string
	dropped  bool // removed meanwhile: this was its last attempt
	result   *Result
	decision *Decision
}

// Create checks and stores a new campaign in state draft.
func Create(id string, spec Spec, deps Deps) (*Campaign, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	row := Row{ID: id, Spec: spec, State: Draft, Created: deps.Clock.Now().UTC()}
	if err := deps.Repo.PutRow(row); err != nil {
		return nil, err
	}
	return Open(row, deps)
}

// Open takes up a stored campaign, and settles the attempts that an earlier
// process left without a result. It dials nothing before the first Step.
func Open(row Row, deps Deps) (*Campaign, error) {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Phones == nil {
		deps.Phones = &Phones{}
	}
	if deps.Zone == "" {
		deps.Zone = "UTC"
	}
	c := &Campaign{
		id: row.ID, deps: deps, log: deps.Log.With("campaign", row.ID),
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		state: state{row: row, zones: map[string]*zone{}, queues: map[Queue]*queue{}, flight: map[string]*flight{}, known: map[string]string{}},
	}
	c.turn <- struct{}{}
	if err := c.settleWindow(); err != nil {
		return nil, err
	}
	found, err := deps.Repo.Queues(row.ID)
	if err != nil {
		return nil, err
	}
	for _, q := range found {
		c.queues[q] = &queue{more: true}
	}
	if err := c.recover(); err != nil {
		return nil, err
	}
	c.show()
	return c, nil
}

func (c *Campaign) settleWindow() error {
	quiet := c.row.Spec.Quiet
	w, err := NewWindow(c.row.Spec.Window, quiet, c.row.Spec.Holidays)
	if err != nil {
		return err
	}
	c.window = w
	for _, z := range c.zones {
		z.forget()
	}
	return nil
}

// take waits for the turn; give passes it on.
func (c *Campaign) take() { <-c.turn }

func (c *Campaign) give() { c.turn <- struct{}{} }

// ID names the campaign.
func (c *Campaign) ID() string { return c.id }

// Row is the campaign as of the last change.
func (c *Campaign) Row() Row { return *c.shown.Load() }

func (c *Campaign) show() {
	row := c.row
	c.shown.Store(&row)
	if c.deps.Changed != nil {
		c.deps.Changed(row)
	}
}

// Run steps the campaign until ctx ends.
func (c *Campaign) Run(ctx context.Context) {
	clk := c.deps.Clock
	timer := clk.AfterFunc(0, c.Wake)
	defer c.hush()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		if next := c.Step(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(min(max(next.Sub(clk.Now()), 0), nap))
		}
		clk.Busy(-1)
	}
}

// Wake makes Run step soon: a line is free, or something else has changed.
func (c *Campaign) Wake() {
	c.deps.Clock.Busy(1)
	select {
	case c.wake <- struct{}{}:
	default:
		c.deps.Clock.Busy(-1) // one is waiting already
	}
}

// hush takes a wake-up that nobody waits for any more.
func (c *Campaign) hush() {
	select {
	case <-c.wake:
		c.deps.Clock.Busy(-1)
	default:
	}
}

// Result takes what became of an attempt. It returns at once; the next step
// writes it. A result of an attempt that is not in flight is ignored.
func (c *Campaign) Result(attempt string, r Result) { c.leave(note{id: attempt, result: &r}) }

// Prepared takes what a Preparer has found out before an attempt.
func (c *Campaign) Prepared(attempt string, d Decision) {
	c.leave(note{id: attempt, decision: &d})
}

func (c *Campaign) leave(n note) {
	c.mu.Lock()
	c.in = append(c.in, n)
	c.mu.Unlock()
	c.Wake()
}

func errState(verb string, s State) error {
	return fault.New(fault.Conflict, "campaign: %s: it is %s", verb, s)
}
