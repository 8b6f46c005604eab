package speech

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of recognition.
const (
	// MaxListening is how many utterances may be heard at once.
	MaxListening = 256
	// MaxUtterance is the longest utterance; what follows is not heard.
	MaxUtterance = 60 * time.Second
	// ASRTimeout is how long one recogniser may take after the end of an
	// utterance, unless the options say otherwise.
	ASRTimeout = 10 * time.Second

	asrRate    = 8000 // samples a second
	asrSamples = int(MaxUtterance/time.Second) * asrRate
)

// ListenOptions say what is likely to be heard.
type ListenOptions struct {
	Language string   // BCP 47, such as "ru-RU"
	Hints    []string // words and phrases that are likely
	Engine   string   // recogniser to begin with; "" is the first of the language
}

// Transcript is what a recogniser has understood. An empty text means that it
// heard nothing that it could understand.
type Transcript struct {
	Text         string
	Confidence   float64 // 0 to 1; 0 = the recogniser does not say
	Alternatives []Alternative
	Engine       string
}

// Alternative is another reading.
type Alternative struct {
	Text       string  `json:"text"`
	Confidence float64 `json:"confidence,omitempty"`
}

// Recognizer is a speech recogniser. Open begins one utterance.
type Recognizer interface {
	Name() string
	Open(context.Context, ListenOptions) (Recognition, error)
}

// Recognition is one utterance on its way; one goroutine uses it.
type Recognition interface {
	// Write takes mono samples, 8000 a second.
	Write(pcm []int16) error
	// Finish tells that the utterance is over and waits for the text.
	Finish(context.Context) (Transcript, error)
	// Close gives everything back; it may be called at any time.
	Close()
}

// Listener hears utterances with the first recogniser of a chain that works.
type Listener struct {
	now  atomic.Pointer[chain]
	clk  clock.Clock
	log  *slog.Logger
	open atomic.Int64

	heard, empty, failures, fallbacks, refused atomic.Uint64
}

// chain is what an utterance is heard with from its begin to its end.
type chain struct {
	engines   []Recognizer
	languages map[string][]string // names by language, in order
	timeout   time.Duration
}

// ListenerOptions set up a Listener.
type ListenerOptions struct {
	Chain     []Recognizer        // in the order in which they are tried
	Languages map[string][]string // other orders by language ("ru" or "ru-RU")
	Timeout   time.Duration       // of one attempt; 0 is ASRTimeout
	Clock     clock.Clock         // nil means the system's
	Log       *slog.Logger        // nil means silence
}

// ListenerStats are figures for metrics.
type ListenerStats struct{ Open, Heard, Empty, Failures, Fallbacks, Refused uint64 }

// NewListener makes a Listener. With an empty chain Listen fails.
func NewListener(o ListenerOptions) *Listener {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Listener{clk: o.Clock, log: o.Log}
	l.Use(o)
	return l
}

// Use puts another chain, other orders and another timeout into force, for
// utterances that begin from now on.
func (l *Listener) Use(o ListenerOptions) {
	l.now.Store(&chain{o.Chain, o.Languages, cmp.Or(max(o.Timeout, 0), ASRTimeout)})
}

// Stats may be called at any time.
func (l *Listener) Stats() ListenerStats {
	return ListenerStats{uint64(l.open.Load()), l.heard.Load(), l.empty.Load(), l.failures.Load(), l.fallbacks.Load(), l.refused.Load()}
}

// Ready reports why nothing can be recognised: UNAVAILABLE when there is no
// recogniser, NOT_FOUND when there is none of that name.
func (l *Listener) Ready(o ListenOptions) error { return l.now.Load().ready(o) }

func (c *chain) ready(o ListenOptions) error {
	if len(c.engines) == 0 {
		return fault.New(fault.Unavailable, "no speech recogniser is configured").
			WithHint(`set one in loopstart.yaml: speech: {asr: {engines: {vosk: {driver: vosk, url: "ws://127.0.0.1:2700"}}}}`)
	}
	if o.Engine != "" && c.named(o.Engine) == nil {
		return fault.New(fault.NotFound, "no speech recogniser %q", o.Engine).WithHint("speech.asr.engines has %s", strings.Join(c.names(), ", "))
	}
	return nil
}

func (c *chain) names() (out []string) {
	for _, r := range c.engines {
		out = append(out, r.Name())
	}
	return out
}

func (c *chain) named(name string) Recognizer {
	for _, r := range c.engines {
		if r.Name() == name {
			return r
		}
	}
	return nil
}

// order is the recognisers in the order in which they are tried.
func (c *chain) order(o ListenOptions) []Recognizer {
	names, ok := c.languages[o.Language]
	if !ok {
		names = c.languages[base(o.Language)]
	}
	if o.Engine != "" {
		names = append([]string{o.Engine}, names...)
	}
	var out []Recognizer
	for _, r := range append(names, c.names()...) {
		known := false
		for _, x := range out {
			known = known || x.Name() == r
		}
		if x := c.named(r); x != nil && !known {
			out = append(out, x)
		}
	}
	return out
}

// Listen begins an utterance. It does not wait for a recogniser.
func (l *Listener) Listen(o ListenOptions) (*Listening, error) {
	c := l.now.Load()
	if err := c.ready(o); err != nil {
		return nil, err
	}
	if l.open.Add(1) > MaxListening {
		l.open.Add(-1)
		l.refused.Add(1)
		return nil, fault.New(fault.Limit, "speech: %d utterances are being heard (limit listening)", MaxListening)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &Listening{l: l, with: c, opts: o, wake: make(chan struct{}, 1), done: make(chan struct{}), cancel: cancel}
	go x.run(ctx)
	return x, nil
}

// Listening is one utterance: audio goes in, a text comes out.
type Listening struct {
	l      *Listener
	with   *chain
	opts   ListenOptions
	wake   chan struct{} // capacity 1
	done   chan struct{}
	cancel context.CancelFunc

	mu     sync.Mutex
	pcm    []int16
	ended  bool
	result Transcript
	err    error
}

// Write takes samples; it never waits.
func (x *Listening) Write(pcm []int16) {
	x.mu.Lock()
	if room := asrSamples - len(x.pcm); !x.ended && room > 0 {
		x.pcm = append(x.pcm, pcm[:min(room, len(pcm))]...)
	}
	x.mu.Unlock()
	x.rouse()
}

func (x *Listening) rouse() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Finish tells that the utterance is over and waits for its text. The error is
// MEDIA when all recognisers have failed.
func (x *Listening) Finish(ctx context.Context) (Transcript, error) {
	x.mu.Lock()
	x.ended = true
	x.mu.Unlock()
	x.rouse()
	select {
	case <-x.done:
		return x.result, x.err
	case <-ctx.Done():
		x.Close()
		return Transcript{}, context.Cause(ctx)
	}
}

// Close gives the utterance up.
func (x *Listening) Close() { x.cancel() }

// run tries one recogniser after the other on the whole utterance.
func (x *Listening) run(ctx context.Context) {
	defer close(x.done)
	defer x.cancel()
	defer x.l.open.Add(-1)
	var errs []error
	for i, r := range x.with.order(x.opts) {
		t, err := x.attempt(ctx, r)
		if ctx.Err() != nil {
			x.err = fault.New(fault.Hangup, "given up")
			return
		}
		if err == nil {
			x.l.count(t, i > 0)
			t.Engine = r.Name()
			x.result = t
			return
		}
		x.l.failures.Add(1)
		x.l.log.Warn("speech recogniser failed", "engine", r.Name(), "error", err)
		errs = append(errs, fmt.Errorf("%s: %w", r.Name(), err))
	}
	x.err = fault.New(fault.Media, "no recogniser could hear the caller: %w", errors.Join(errs...)).WithHint("`loopstart doctor` tries each of them")
}

func (l *Listener) count(t Transcript, fallback bool) {
	l.heard.Add(1)
	if t.Text == "" {
		l.empty.Add(1)
	}
	if fallback {
		l.fallbacks.Add(1)
	}
}

// attempt hears the utterance with one recogniser, while it is being spoken or
// after it.
func (x *Listening) attempt(ctx context.Context, r Recognizer) (Transcript, error) {
	opening, cancel := context.WithTimeout(ctx, x.with.timeout)
	rec, err := r.Open(opening, x.opts)
	cancel()
	if err != nil {
		return Transcript{}, err
	}
	defer rec.Close()
	stop := context.AfterFunc(ctx, rec.Close)
	defer stop()
	for at := 0; ; {
		pcm, ended := x.from(at)
		if len(pcm) > 0 {
			if err := rec.Write(pcm); err != nil {
				return Transcript{}, err
			}
			at += len(pcm)
			continue
		}
		if ended {
			break
		}
		select {
		case <-x.wake:
		case <-ctx.Done():
			return Transcript{}, ctx.Err()
		}
	}
	finishing, cancel := context.WithTimeoutCause(ctx, x.with.timeout, fmt.Errorf("no answer within %s", x.with.timeout))
	defer cancel()
	return rec.Finish(finishing)
}

// from is what has come since a sample, and whether nothing more will.
func (x *Listening) from(at int) ([]int16, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.pcm[at:len(x.pcm):len(x.pcm)], x.ended
}
