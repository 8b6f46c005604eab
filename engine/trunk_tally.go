package engine

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/store"
)

// Limits of what is kept of a trunk's calls.
const (
	maxTrunkDays = 31 // days on disk
	shownDays    = 7  // days in GET /v1/trunks
	maxCodes     = 64 // kinds of failure counted apart; the rest are "other"
)

// delayBounds are the upper bounds of the post-dial delay's buckets.
var delayBounds = [...]time.Duration{
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second,
	5 * time.Second, 8 * time.Second, 12 * time.Second, 20 * time.Second,
}

// tally is what became of the calls on one trunk, since the start or in a day.
type tally struct {
	Attempts  uint64                       `json:"attempts"`  // INVITEs of ours
	Answers   uint64                       `json:"answers"`   // of those
	Cancelled uint64                       `json:"cancelled"` // given up by us before the answer
	Incoming  uint64                       `json:"incoming"`  // calls from it
	TalkMs    int64                        `json:"talk_ms"`   // of the answered ones
	Failures  map[string]uint64            `json:"failures"`  // by SIP status; "silent": no answer at all, "unreachable": not even sent
	Delays    [len(delayBounds) + 1]uint64 `json:"delays"`    // of ringing or its equivalent, by delayBounds
	DelayMs   int64                        `json:"delay_ms"`  // their sum
}

// failureOf names how a dial failed.
func failureOf(n call.RouteNews) string {
	switch {
	case n.Heard:
		return strconv.Itoa(n.Code)
	case n.Code == 408:
		return "silent"
	}
	return "unreachable"
}

// add counts one dial that is over.
func (t *tally) add(n call.RouteNews) {
	t.Attempts++
	if n.Rang > 0 {
		t.DelayMs += n.Rang.Milliseconds()
		i, _ := slices.BinarySearch(delayBounds[:], n.Rang)
		t.Delays[i]++
	}
	switch {
	case n.Answered:
		t.Answers++
		t.TalkMs += n.Talk.Milliseconds()
	case n.Cancelled:
		t.Cancelled++
	default:
		t.fail(failureOf(n))
	}
}

func (t *tally) fail(kind string) {
	if t.Failures == nil {
		t.Failures = map[string]uint64{}
	}
	if _, known := t.Failures[kind]; !known && len(t.Failures) >= maxCodes {
		kind = "other"
	}
	t.Failures[kind]++
}

// rang is how many dials reached ringing or a tone.
func (t *tally) rang() (n uint64) {
	for _, d := range t.Delays {
		n += d
	}
	return n
}

// TrunkDay is one day of a trunk, in the project's zone.
type TrunkDay struct {
	Day       string            `json:"day"`
	Attempts  uint64            `json:"attempts"`
	Answers   uint64            `json:"answers"`
	Cancelled uint64            `json:"cancelled"`
	Incoming  uint64            `json:"incoming"`
	ASR       float64           `json:"asr"` // answers of attempts, percent
	ACD       float64           `json:"acd"` // mean talk, seconds
	PDD       float64           `json:"pdd"` // mean post-dial delay, seconds
	Failures  map[string]uint64 `json:"failures"`
}

func (t *tally) day(name string) TrunkDay {
	d := TrunkDay{Day: name, Attempts: t.Attempts, Answers: t.Answers, Cancelled: t.Cancelled, Incoming: t.Incoming, Failures: map[string]uint64{}}
	for k, n := range t.Failures {
		d.Failures[k] = n
	}
	ratio := func(a float64, b uint64) float64 {
		if b == 0 {
			return 0
		}
		return float64(int64(a/float64(b)*10+0.5)) / 10
	}
	d.ASR = ratio(100*float64(t.Answers), t.Attempts)
	d.ACD = ratio(float64(t.TalkMs)/1000, t.Answers)
	if n := t.rang(); n > 0 {
		d.PDD = float64(t.DelayMs/int64(n)) / 1000
	}
	return d
}

// tallies keeps each trunk's counters: since the start in memory, by the day on
// disk. Its state is guarded by lines.mu.
type tallies struct {
	e     *Engine
	space *store.Space
}

func (s tallies) today(now time.Time) string {
	zone, err := time.LoadLocation(s.e.Config().Project.Zone)
	if err != nil { // checked when the configuration was read
		zone = time.UTC
	}
	return now.In(zone).Format(time.DateOnly)
}

// count changes a trunk's counters. h is of that trunk, its lock held.
func (s tallies) count(name string, h *trunkLines, change func(*tally)) {
	change(&h.total)
	day := s.today(s.e.clk.Now())
	if h.day != day {
		h.day, h.daily = day, s.read(day, name)
	}
	change(&h.daily)
	raw, err := json.Marshal(h.daily)
	if err == nil {
		s.space.ApplyLater(s.kept, store.Op{Key: day + "/" + name, Value: raw})
	}
}

// kept hears how a write went: the counters go on in memory.
func (s tallies) kept(err error) {
	if err != nil {
		s.e.log.Debug("engine: keep a trunk's counters", "err", err)
	}
}

func (s tallies) read(day, name string) (t tally) {
	if raw, ok, err := s.space.Get(day + "/" + name); err == nil && ok {
		_ = json.Unmarshal(raw, &t) // a row of another version counts from nought
	}
	return t
}

// days are the newest days of a trunk, today first.
func (s tallies) days(name string) []TrunkDay {
	out := []TrunkDay{}
	now := s.e.clk.Now()
	for i := range shownDays {
		day := s.today(now.AddDate(0, 0, -i))
		t, ok := s.e.lines.daily(name, day)
		if !ok {
			t = s.read(day, name)
		}
		if t.Attempts+t.Incoming > 0 || i == 0 {
			out = append(out, t.day(day))
		}
	}
	return out
}

// sweep forgets days that are older than maxTrunkDays.
func (s tallies) sweep(now time.Time) {
	before := s.today(now.AddDate(0, 0, -maxTrunkDays))
	page, err := s.space.Scan("", "", store.MaxOps)
	if err != nil {
		return
	}
	var ops []store.Op
	for _, en := range page {
		if en.Key < before {
			ops = append(ops, store.Op{Key: en.Key})
		}
	}
	if len(ops) > 0 {
		s.space.ApplyLater(s.kept, ops...)
	}
}

// daily is a copy of a trunk's counters of that day, if they are in memory.
func (l *lines) daily(name, day string) (tally, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.of(name)
	t := h.daily
	t.Failures = maps.Clone(t.Failures)
	return t, h.day == day
}

// came counts a call from the trunk.
func (l *lines) came(s tallies, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.count(name, l.of(name), func(t *tally) { t.Incoming++ })
}
