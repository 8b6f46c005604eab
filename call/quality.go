package call

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/media"
)

// maxLegQualities is how many legs a record tells the quality of; a call that
// has rung more of them tells the others in its timeline only.
const maxLegQualities = 16

// Quality is a leg's audio as received: in a record the first leg's.
type Quality struct {
	Loss     float64 `json:"loss"` // 0–1
	JitterMs float64 `json:"jitter_ms"`
	RTTMs    float64 `json:"rtt_ms,omitempty"` // 0: the other side has not reported
	MOS      float64 `json:"mos,omitempty"`    // 1–4.4, ITU-T G.107; 0: nothing was heard

	// Legs are all legs that were heard, in the order of their ends; absent
	// when the first one was the only one.
	Legs []LegQuality `json:"legs,omitempty"`
}

// LegQuality is the quality of one leg.
type LegQuality struct {
	Leg      string  `json:"leg"`
	Codec    string  `json:"codec,omitempty"`
	Loss     float64 `json:"loss"`
	JitterMs float64 `json:"jitter_ms"`
	RTTMs    float64 `json:"rtt_ms,omitempty"`
	MOS      float64 `json:"mos,omitempty"`
}

// unheardAfter is how long an answered leg has to be silent, to the last packet,
// before the timeline says so: it may have been hung up at once.
const unheardAfter = time.Second

// measure keeps the figures of a leg before its session is closed.
func (c *Call) measure(l *Leg) {
	s := l.session.Stats()
	q := LegQuality{
		Leg: l.name, Codec: codecName(l.session), JitterMs: rounded(s.JitterMs, 100),
		RTTMs: rounded(s.RTTMs, 10), MOS: rounded(s.MOS, 100),
	}
	if n := s.Received + s.Lost; n > 0 {
		q.Loss = rounded(float64(s.Lost)/float64(n), 10_000)
	}
	if l == c.main {
		legs := c.quality.Legs
		c.quality = Quality{Loss: q.Loss, JitterMs: q.JitterMs, RTTMs: q.RTTMs, MOS: q.MOS, Legs: legs}
	}
	if s.Received == 0 {
		if !l.answeredAt.IsZero() && c.clk.Now().Sub(l.answeredAt) >= unheardAfter {
			l.note("media", "not heard: no audio came", "")
		}
		return
	}
	c.quality.add(q)
	l.note("media", q.words(s), "")
	c.deps.Counters.Quality.Add(l.trunk(), q)
}

// add takes a leg while there is room.
func (q *Quality) add(l LegQuality) {
	if len(q.Legs) < maxLegQualities {
		q.Legs = append(q.Legs, l)
	}
}

// told is the quality as a record tells it.
func (q Quality) told() Quality {
	if len(q.Legs) < 2 {
		q.Legs = nil
	}
	return q
}

func codecName(s *media.Session) string {
	if c := s.Negotiated().Codec; c != nil {
		return c.Name
	}
	return ""
}

// words are the figures as a line of the timeline.
func (q LegQuality) words(s media.Stats) string {
	var b strings.Builder
	fmt.Fprintf(&b, "heard in %s: loss %.1f %%, jitter %.1f ms", q.Codec, 100*q.Loss, q.JitterMs)
	if q.RTTMs > 0 {
		fmt.Fprintf(&b, ", round trip %.0f ms", q.RTTMs)
	}
	fmt.Fprintf(&b, ", MOS %.1f", q.MOS)
	if q.RTTMs > 0 {
		fmt.Fprintf(&b, "; they report loss %.1f %%, jitter %.1f ms", 100*s.RemoteLoss, s.RemoteJitterMs)
	}
	return b.String()
}

// rounded is x to one part in so many: more digits would only be noise.
func rounded(x, parts float64) float64 { return math.Round(x*parts) / parts }

// maxQualityTrunks is how many trunks have figures of their own; those of more
// are added up under "other". The trunks of one configuration are far fewer,
// but names may change while the process lives.
const maxQualityTrunks = 256

// The upper bounds of the figures of legs.
var (
	LossBounds   = [...]float64{0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2}
	JitterBounds = [...]float64{0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2} // seconds
	RTTBounds    = [...]float64{0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8}    // seconds
	MOSBounds    = [...]float64{2, 2.5, 3, 3.5, 3.8, 4, 4.2}
)

// Spread is the distribution of one figure.
type Spread struct {
	Count uint64
	Sum   float64
	Up    [7]uint64 // of values up to the bound of the same index, not cumulative
}

func (s *Spread) add(v float64, bounds [7]float64) {
	s.Count++
	s.Sum += v
	for i, b := range bounds {
		if v <= b {
			s.Up[i]++
			return
		}
	}
}

// LegFigures are the distributions of a trunk's legs that have ended. Jitter
// and round trip are in seconds.
type LegFigures struct{ Loss, Jitter, RTT, MOS Spread }

// Qualities add up what legs have told at their end, by trunk; phones are "".
// The zero value is ready; it may be used from any goroutine.
type Qualities struct {
	mu    sync.Mutex
	trunk map[string]*LegFigures
}

// Add takes a leg that has ended.
func (x *Qualities) Add(trunk string, q LegQuality) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := x.trunk[trunk]
	if f == nil && len(x.trunk) >= maxQualityTrunks {
		trunk = "other"
		f = x.trunk[trunk]
	}
	if f == nil {
		if x.trunk == nil {
			x.trunk = make(map[string]*LegFigures)
		}
		f = new(LegFigures)
		x.trunk[trunk] = f
	}
	f.Loss.add(q.Loss, LossBounds)
	f.Jitter.add(q.JitterMs/1000, JitterBounds)
	f.MOS.add(q.MOS, MOSBounds)
	if q.RTTMs > 0 {
		f.RTT.add(q.RTTMs/1000, RTTBounds)
	}
}

// Figures is a copy by trunk.
func (x *Qualities) Figures() map[string]LegFigures {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make(map[string]LegFigures, len(x.trunk))
	for name, f := range x.trunk {
		out[name] = *f
	}
	return out
}
