package speech

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// MaxText is the longest text in characters.
	MaxText = 4096
	// MaxFlights is how many renders may be under way or waiting.
	MaxFlights = 512
	// Timeout is how long one engine may take over one utterance, unless
	// Options say otherwise.
	Timeout = 10 * time.Second
	// MaxOutput is how many bytes an engine may answer with.
	MaxOutput = 32 << 20

	defaultBytes = 512 << 20
	downAfter    = 3                // failures in a row after which an engine is passed over
	downFor      = 30 * time.Second // and for how long
)

// MaxParallel is how many engines may work at once.
func MaxParallel() int { return 2 * runtime.NumCPU() }

// Utterance is what to say.
type Utterance struct {
	Text     string
	Language string // BCP 47, such as "ru-RU"
	Voice    string // of the engine or an alias of the settings; "" is the engine's default for the language
}

// Clip is a finished utterance.
type Clip struct {
	Path     string // a valid WAV file; it stays for at least a minute
	Driver   string // the engine that made it
	Cached   bool   // it was there before
	Duration time.Duration
}

// Synthesizer is a speech engine. Synthesize returns a WAV file whose lengths
// need not be right. ErrLanguage says that another engine has to do it.
type Synthesizer interface {
	Name() string
	Synthesize(ctx context.Context, u Utterance) (wav []byte, err error)
}

// Fingerprinter is a Synthesizer whose clips depend on more than its name: the
// version of the engine and its settings. It is part of the cache key.
type Fingerprinter interface{ Fingerprint(u Utterance) string }

// ErrLanguage is answered by an engine that does not speak the language.
var ErrLanguage = errors.New("does not speak the language")

// Options say where clips are kept and who makes them.
type Options struct {
	Dir      string        // of the cache, made when missing
	MaxBytes int64         // of all clips; 0 is 512 MiB
	Chain    []Synthesizer // the first that can say it does
	Timeout  time.Duration // of one attempt; 0 is the constant Timeout
	Clock    clock.Clock   // nil means the system's
	Log      *slog.Logger  // nil means silence
}

// Speaker renders utterances.
type Speaker struct {
	chain   []*engine
	clk     clock.Clock
	log     *slog.Logger
	cache   *cache
	flights flights
	timeout time.Duration
	slots   chan struct{} // capacity MaxParallel
	counts  counters
}

// engine is a Synthesizer with its record of failures.
type engine struct {
	Synthesizer
	mu      sync.Mutex
	failed  int // in a row
	downTil time.Time
}

type counters struct{ renders, hits, failures, fallbacks, refused atomic.Uint64 }

// Stats are figures for metrics. Counts are since New.
type Stats struct {
	Renders   uint64 // clips made
	Hits      uint64 // clips found in the cache
	Failures  uint64 // attempts of an engine that failed
	Fallbacks uint64 // clips made by another engine than the first that speaks the language
	Refused   uint64 // beyond MaxFlights
	Evicted   uint64 // clips removed to keep within MaxBytes
	Files     int
	Bytes     int64
	Flights   int // renders under way or waiting
}

// New opens the cache folder. An empty chain is allowed: clips that are there
// are found, others are a MEDIA error.
func New(o Options) (*Speaker, error) {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	if o.Timeout <= 0 {
		o.Timeout = Timeout
	}
	c, err := openCache(o.Dir, o.MaxBytes, o.Clock)
	if err != nil {
		return nil, err
	}
	s := &Speaker{clk: o.Clock, log: o.Log, cache: c, timeout: o.Timeout, slots: make(chan struct{}, MaxParallel())}
	s.flights.init(s.clk)
	for _, d := range o.Chain {
		s.chain = append(s.chain, &engine{Synthesizer: d})
	}
	return s, nil
}

// Render returns the clip of u, from the cache or made now.
func (s *Speaker) Render(ctx context.Context, u Utterance) (Clip, error) {
	text, err := Normalise(u.Text)
	if err != nil {
		return Clip{}, err
	}
	u.Text = text
	if len(s.chain) == 0 {
		return Clip{}, noEngine()
	}
	if clip, ok := s.cached(s.chain[0], u); ok {
		return clip, nil
	}
	clip, err := s.flights.do(ctx, key(s.chain[0], u), func(ctx context.Context) (Clip, error) {
		return s.make(ctx, u)
	})
	if errors.Is(err, errCrowded) {
		s.counts.refused.Add(1)
	}
	return clip, err
}

// RenderAll renders us ahead of a call. The clips stand in the order of us; the
// error holds what failed, one error for each, and their clips are empty.
func (s *Speaker) RenderAll(ctx context.Context, us []Utterance) ([]Clip, error) {
	clips, errs := make([]Clip, len(us)), make([]error, len(us))
	var wg sync.WaitGroup
	turn := make(chan struct{}, MaxParallel())
	for i, u := range us {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			clips[i], errs[i] = s.Render(ctx, u)
		})
	}
	wg.Wait()
	return clips, errors.Join(errs...)
}

// Stats returns the present figures.
func (s *Speaker) Stats() Stats {
	st := Stats{
		Renders: s.counts.renders.Load(), Hits: s.counts.hits.Load(), Failures: s.counts.failures.Load(),
		Fallbacks: s.counts.fallbacks.Load(), Refused: s.counts.refused.Load(), Flights: s.flights.size(),
	}
	st.Files, st.Bytes, st.Evicted = s.cache.size()
	return st
}

func (s *Speaker) cached(e *engine, u Utterance) (Clip, bool) {
	path, length, ok := s.cache.get(key(e, u))
	if !ok {
		return Clip{}, false
	}
	s.counts.hits.Add(1)
	return Clip{Path: path, Driver: e.Name(), Cached: true, Duration: length}, true
}

// make goes down the chain. Engines that have just failed several times are
// asked last, not never: they may be all there is.
func (s *Speaker) make(ctx context.Context, u Utterance) (Clip, error) {
	var reasons []string
	var passed []*engine
	able := 0 // engines before this one that speak the language
	try := func(e *engine) (Clip, bool) {
		clip, err := s.attempt(ctx, e, u)
		if err == nil {
			if able > 0 && !clip.Cached {
				s.counts.fallbacks.Add(1)
				s.log.Warn("speech: fell back", "to", e.Name(), "language", u.Language, "because", strings.Join(reasons, "; "))
			}
			return clip, true
		}
		if !errors.Is(err, ErrLanguage) {
			able++
		}
		reasons = append(reasons, e.Name()+": "+err.Error())
		return Clip{}, false
	}
	for _, e := range s.chain {
		if e.down(s.clk.Now()) {
			passed = append(passed, e)
			able++
			continue
		}
		if clip, ok := try(e); ok {
			return clip, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	for _, e := range passed {
		if ctx.Err() != nil {
			break
		}
		if clip, ok := try(e); ok {
			return clip, nil
		}
	}
	return Clip{}, fault.New(fault.Media, "no speech engine could say it: %s", strings.Join(reasons, "; ")).
		WithHint("try the engine by hand, or set another in speech.tts")
}

// attempt lets one engine work and stores what it made.
func (s *Speaker) attempt(ctx context.Context, e *engine, u Utterance) (Clip, error) {
	if clip, ok := s.cached(e, u); ok {
		return clip, nil
	}
	raw, err := s.synthesize(ctx, e, u)
	var wav []byte
	var length time.Duration
	if err == nil {
		wav, length, err = repairWAV(raw)
	}
	if errors.Is(err, ErrLanguage) {
		return Clip{}, err
	}
	if ctx.Err() == nil { // that nobody waits any more is not the engine's failure
		e.note(err, s.clk.Now())
	}
	if err != nil {
		s.counts.failures.Add(1)
		return Clip{}, err
	}
	path, err := s.cache.put(key(e, u), wav, length)
	if err != nil {
		return Clip{}, err
	}
	s.counts.renders.Add(1)
	return Clip{Path: path, Driver: e.Name(), Duration: length}, nil
}

// synthesize waits for a slot and sets the time limit.
func (s *Speaker) synthesize(ctx context.Context, e *engine, u Utterance) ([]byte, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := s.clk.AfterFunc(s.timeout, func() { cancel(errors.New("no answer in " + s.timeout.String())) })
	defer limit.Stop()
	wav, err := e.Synthesize(ctx, u)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return wav, err
}

// down reports whether the engine has just failed too often.
func (e *engine) down(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return now.Before(e.downTil)
}

// note keeps the record of failures.
func (e *engine) note(err error, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.failed, e.downTil = 0, time.Time{}
		return
	}
	if e.failed++; e.failed >= downAfter {
		e.downTil = now.Add(downFor)
	}
}
