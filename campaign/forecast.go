package campaign

import (
	"context"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Assumptions are what a forecast takes for granted; zero values are filled in
// from what the campaign has seen so far, or else from the defaults named.
type Assumptions struct {
	AnswerRate float64 // answered of all attempts, 0–1; 0.4
	Talk       Span    // of an answered attempt; 30 s
	Ring       Span    // of an attempt; 20 s
	Lines      int     // lines that the trunk has; 0 is max_calls
}

// Forecast is what a campaign would come to.
type Forecast struct {
	At         time.Time `json:"at"`
	Contacts   int64     `json:"contacts"`           // that wait
	Attempts   int64     `json:"attempts"`           // expected
	Answered   int64     `json:"answered"`           // expected
	Minutes    float64   `json:"minutes"`            // of talk, expected
	Channels   int       `json:"channels"`           // lines in use at the busiest
	Finish     time.Time `json:"finish_at,omitzero"` // zero: not within a year
	AnswerRate float64   `json:"answer_rate"`        // assumed
	TalkMs     int64     `json:"talk_ms"`            // assumed
}

// DryRun is what a campaign would do if it were started now: how many contacts
// it would call, why it would not call the others, and when it would be done.
type DryRun struct {
	Forecast Forecast         `json:"forecast"`
	Callable int64            `json:"callable"`
	Not      map[string]int64 `json:"not_called,omitempty"` // by reason: stop_list, expired, …
	Zones    map[string]int64 `json:"zones"`                // callable contacts
	First    []Planned        `json:"first"`                // the first ones and their time
}

// Planned is one contact of a dry run.
type Planned struct {
	Key   string    `json:"key"`
	Phone string    `json:"phone"`
	Zone  string    `json:"zone"`
	At    time.Time `json:"at"`
}

const (
	firstPlanned  = 20
	forecastStep  = 5 * time.Minute
	forecastLimit = 366 * 24 * time.Hour

	defaultAnswerRate = 0.4
	defaultTalk       = 30 * time.Second
	defaultRing       = 20 * time.Second
)

// Forecast estimates from the counters alone, without reading the contacts.
func (c *Campaign) Forecast(a Assumptions) (Forecast, error) {
	zones := map[string]int64{}
	c.take()
	n := c.row.Counts.Waiting
	for q := range c.queues {
		zones[q.Zone] = 0
	}
	c.give()
	// The counters do not know zones: the contacts are taken to be spread
	// evenly over those that have queues.
	for name := range zones {
		zones[name] = n / int64(len(zones))
	}
	for name := range zones {
		zones[name] += n % int64(len(zones))
		break
	}
	return c.estimate(a, zones)
}

// DryRun reads every contact, in constant memory, and changes nothing.
func (c *Campaign) DryRun(ctx context.Context, a Assumptions) (DryRun, error) {
	d := DryRun{Not: map[string]int64{}, Zones: map[string]int64{}, First: []Planned{}}
	for after := uint64(0); ; {
		page, err := c.deps.Repo.Contacts(c.id, after, sweepBatch)
		if err == nil && ctx.Err() != nil {
			err = fault.New(fault.Unavailable, "campaign: dry run: %w", ctx.Err())
		}
		if err != nil {
			return d, err
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Seq
		if err := c.rehearse(&d, page); err != nil {
			return d, err
		}
	}
	f, err := c.estimate(a, d.Zones)
	d.Forecast = f
	return d, err
}

// rehearse decides on a page of contacts as if they were due.
func (c *Campaign) rehearse(d *DryRun, page []*Contact) error {
	c.take()
	defer c.give()
	now := c.now()
	for _, k := range page {
		if k.State != Waiting {
			continue
		}
		why, err := c.barred(k, now)
		if err != nil {
			return err
		}
		if why != "" {
			d.Not[why]++
			continue
		}
		d.Callable++
		d.Zones[k.Zone]++
		if len(d.First) < firstPlanned {
			if at, ok := c.nextOpen(k, later(k.Next, now)); ok {
				d.First = append(d.First, Planned{Key: k.Key, Phone: k.Phone(), Zone: k.Zone, At: at.UTC()})
			}
		}
	}
	return nil
}

// barred is why a contact would not be called at all, "" when it would.
func (c *Campaign) barred(k *Contact, now time.Time) (string, error) {
	next, ok := c.nextOpen(k, later(k.Next, now))
	switch {
	case !ok:
		return WhyNoWindow, nil
	case c.expired(k.Expires, next), c.expired(c.row.Spec.Expires, next):
		return ReasonExpired, nil
	case c.deps.Stop == nil:
		return "", nil
	}
	for _, number := range k.Phones {
		if stopped, err := c.deps.Stop.Has(number); err != nil || !stopped {
			return "", err
		}
	}
	return ReasonStopList, nil
}

// fill takes from the counters what is not given.
func (a *Assumptions) fill(n Counts, maxCalls int) {
	if a.AnswerRate <= 0 || a.AnswerRate > 1 {
		a.AnswerRate = defaultAnswerRate
		if ended := n.Attempts - n.Dialing; ended >= defaultSample {
			a.AnswerRate = float64(n.Answered) / float64(ended)
		}
	}
	if a.Talk <= 0 {
		a.Talk = Span(defaultTalk)
		if n.Answered >= defaultSample {
			a.Talk = Span(time.Duration(n.TalkMs/n.Answered) * time.Millisecond)
		}
	}
	if a.Ring <= 0 {
		a.Ring = Span(defaultRing)
	}
	if a.Lines <= 0 || a.Lines > maxCalls {
		a.Lines = maxCalls
	}
}

// estimate runs the campaign as a fluid: each step as many attempts as lines,
// pace and open windows let through, and the unanswered come back after the
// pause of no_answer.
func (c *Campaign) estimate(a Assumptions, zones map[string]int64) (Forecast, error) {
	c.take()
	defer c.give()
	s, now := c.row.Spec, c.now()
	a.fill(c.row.Counts, s.MaxCalls)
	held := time.Duration(a.Ring).Seconds() + a.AnswerRate*time.Duration(a.Talk).Seconds()
	perStep := float64(a.Lines) * forecastStep.Seconds() / held
	if s.MaxCPS > 0 {
		perStep = min(perStep, s.MaxCPS*forecastStep.Seconds())
	}
	f := Forecast{At: now, AnswerRate: a.AnswerRate, TalkMs: time.Duration(a.Talk).Milliseconds()}
	pause, again := s.Retry.After(NoAnswer)
	tries := s.Attempts
	if !again {
		tries = 1
	}
	flows := map[string]*fluid{}
	left := 0.0
	for name, n := range zones {
		f.Contacts += n
		left += float64(n)
		flows[name] = newFluid(float64(n), tries, int(pause/forecastStep))
	}
	names, attempts, busiest := sortedKeys(flows), 0.0, 0.0
	at := now
	for ; left >= 0.5 && at.Before(now.Add(forecastLimit)); at = at.Add(forecastStep) {
		room := perStep
		for _, name := range names {
			fl := flows[name]
			if room > 0 && fl.ready() > 0 && c.allowed(name, at) {
				did, gone := fl.dial(room, a.AnswerRate)
				room -= did
				attempts += did
				left -= gone
			}
			fl.tick()
		}
		busiest = max(busiest, (perStep-room)*held/forecastStep.Seconds())
	}
	f.Attempts, f.Answered = int64(attempts+0.5), int64(attempts*a.AnswerRate+0.5)
	f.Minutes = float64(int64(attempts*a.AnswerRate*time.Duration(a.Talk).Minutes()*10+0.5)) / 10
	if f.Channels = int(busiest + 0.999); f.Contacts > 0 && f.Channels == 0 {
		f.Channels = 1
	}
	if left < 0.5 {
		f.Finish = at
	}
	return f, nil
}

// fluid is the contacts of one zone by how many attempts they have had, and
// those that pause.
type fluid struct {
	due    []float64   // by attempts made
	pauses [][]float64 // a ring of steps; each by attempts made
	now    int
}

// maxPause bounds the ring: longer pauses count as this one.
const maxPause = 7 * 24 * 12

func newFluid(n float64, tries, pause int) *fluid {
	f := &fluid{due: make([]float64, tries), pauses: make([][]float64, min(pause, maxPause)+1)}
	for i := range f.pauses {
		f.pauses[i] = make([]float64, tries)
	}
	f.due[0] = n
	return f
}

func (f *fluid) ready() (n float64) {
	for _, d := range f.due {
		n += d
	}
	return n
}

// dial makes at most room attempts and tells how many, and how many contacts
// were closed by them.
func (f *fluid) dial(room, answered float64) (did, gone float64) {
	for made := range f.due {
		n := min(f.due[made], room-did)
		f.due[made] -= n
		did += n
		gone += n * answered
		if rest := n * (1 - answered); made+1 < len(f.due) {
			f.pauses[(f.now+len(f.pauses)-1)%len(f.pauses)][made+1] += rest
		} else {
			gone += rest
		}
	}
	return did, gone
}

// tick lets the pauses go on by one step.
func (f *fluid) tick() {
	slot := f.pauses[f.now]
	for i := range slot {
		f.due[i] += slot[i]
		slot[i] = 0
	}
	f.now = (f.now + 1) % len(f.pauses)
}
