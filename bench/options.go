package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// MaxCalls is how many calls one measurement may have: two sessions each in
// bridge mode, within the program's own limit of sessions.
const MaxCalls = 7500

// Options are what is measured.
type Options struct {
	Mode     string        `json:"mode"` // play, bridge, record or conference
	Calls    int           `json:"calls"`
	Duration time.Duration `json:"duration"` // of the measurement, after all calls are up
	Rate     float64       `json:"rate"`     // new calls a second
	Codec    string        `json:"codec"`
	SRTP     bool          `json:"srtp"`
	Ramp     bool          `json:"ramp"` // raise the number of calls up to Calls until one step does not hold
}

// Modes are the kinds of calls, and what they do.
var modes = []struct{ name, script string }{
	{"play", `export default async (call) => { await call.answer(); await call.play("tone:440/2m", { loop: true }); }`},
	{"bridge", `export default async (call) => { await call.connect("+79990000000", { trunk: "load", timeout: "30s" }); }`},
	{"record", `export default async (call) => { await call.answer(); await call.recording.start(); await call.play("tone:440/2m", { loop: true }); }`},
	{"conference", `import { conference } from "loopstart:call";
export default async (call) => { await call.answer(); await conference("room-" + Math.floor(Number(call.from.user.slice(1)) / 10)).join(call); }`},
}

// Modes are the names of the modes.
func Modes() (names []string) {
	for _, m := range modes {
		names = append(names, m.name)
	}
	return names
}

// Check says what of the options makes no sense, as an error of usage.
func (o *Options) Check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "bench: "+format, args...).WithExit(fault.ExitUsage)
	}
	switch {
	case !slices.Contains(Modes(), o.Mode):
		return bad("mode %q", o.Mode).(*fault.Error).WithHint("%s", strings.Join(Modes(), ", "))
	case !slices.Contains(Codecs(), o.Codec):
		return bad("codec %q", o.Codec).(*fault.Error).WithHint("%s", strings.Join(Codecs(), ", "))
	case o.Calls < 1 || o.Calls > MaxCalls:
		return bad("%d calls: 1 to %d are possible", o.Calls, MaxCalls)
	case o.Duration < time.Second || o.Duration > time.Hour:
		return bad("a duration of %s: 1s to 1h is possible", o.Duration)
	case o.Rate <= 0 || o.Rate > 10000:
		return bad("a rate of %g: above 0, up to 10000 calls a second", o.Rate)
	}
	return nil
}

// streams is how many RTP streams one call brings to the callers.
func (o *Options) streams() int {
	if o.Mode == "bridge" {
		return 2
	}
	return 1
}

// Limits are what a measurement may not cross; zero is no limit, except that
// MaxLoss is one when HasLoss is set.
type Limits struct {
	MaxLate time.Duration // p99.9 of the deviation from 20 ms
	MaxLoss float64       // percent, of either direction
	HasLoss bool
	MaxCPU  float64 // ms of all processes per call and second
}

// Result is what was measured. Losses are of the time of the measurement
// inwards, of all calls outwards.
type Result struct {
	Mode     string  `json:"mode"`
	Codec    string  `json:"codec"`
	SRTP     bool    `json:"srtp"`
	Calls    int     `json:"calls"`  // up during the measurement
	Failed   int     `json:"failed"` // of those that were placed
	Seconds  float64 `json:"seconds"`
	SetupP50 float64 `json:"setup_p50_ms"`
	SetupP99 float64 `json:"setup_p99_ms"`

	CPU   float64 `json:"cpu_ms_per_call_second"` // all processes of the engine
	Floor float64 `json:"floor_ms_per_call_second"`
	Ratio float64 `json:"ratio"`

	Packets      int     `json:"packets"` // that came from the engine
	Lost         int     `json:"lost"`
	LossPercent  float64 `json:"loss_percent"`
	Late         int     `json:"late"` // more than 10 ms after their time
	SentPackets  uint64  `json:"sent_packets"`
	SentLost     int64   `json:"sent_lost"` // that the engine has not used
	SentLossPart float64 `json:"sent_loss_percent"`

	JitterP50  float64 `json:"jitter_p50_ms"`
	JitterP99  float64 `json:"jitter_p99_ms"`
	JitterP999 float64 `json:"jitter_p999_ms"`
	JitterMax  float64 `json:"jitter_max_ms"`

	MemoryPerCall float64 `json:"memory_kb_per_call"` // PSS
	MemoryBase    float64 `json:"memory_mb_without_calls"`

	Machine string  `json:"machine"`
	Cores   int     `json:"cores"`
	Load    string  `json:"load"` // of the last minute, before
	Holds   int     `json:"holds,omitempty"`
	Steps   []Step  `json:"steps,omitempty"`
	Crossed []Cross `json:"crossed,omitempty"`
}

// Step is one step of a ramp.
type Step struct {
	Calls      int     `json:"calls"`
	OK         bool    `json:"ok"`
	JitterP999 float64 `json:"jitter_p999_ms"`
	Lost       int     `json:"lost"`
	SentLost   int64   `json:"sent_lost"`
	CPU        float64 `json:"cpu_ms_per_call_second"`
}

// Cross is a limit that was crossed.
type Cross struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
}

// String is the crossing in words.
func (c Cross) String() string {
	return fmt.Sprintf("%s is %.3g, at most %.3g", c.What, c.Value, c.Limit)
}

// Hold finds the limits that the result crosses, and notes them. Calls that
// failed are always one.
func (r *Result) Hold(l Limits) []Cross {
	r.Crossed = nil
	over := func(what string, value, limit float64) {
		if value > limit {
			r.Crossed = append(r.Crossed, Cross{what, value, limit})
		}
	}
	over("failed calls", float64(r.Failed), 0)
	if l.MaxLate > 0 {
		over("jitter p99.9 in ms", r.JitterP999, ms(l.MaxLate))
	}
	if l.HasLoss {
		over("loss from the engine in %", r.LossPercent, l.MaxLoss)
		over("loss to the engine in %", r.SentLossPart, l.MaxLoss)
	}
	if l.MaxCPU > 0 {
		over("CPU ms per call-second", r.CPU, l.MaxCPU)
	}
	return r.Crossed
}
