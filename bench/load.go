package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// How a measurement is made.
const (
	shortFloor = 3 * time.Second
	calm       = 700 * time.Millisecond // between the last answer and the measurement
	underWay   = 300 * time.Millisecond // for packets that were sent last
	callLimit  = 15 * time.Second       // for the last call to be answered
	rampBegin  = 50                     // calls
	rampFactor = 1.3
	rampLate   = 10 * time.Millisecond // p99.9 that still holds
)

// Load makes the load that in describes and writes the result to out.
func Load(in io.Reader, out, progress io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fault.New(fault.Invalid, "bench: the job: %w", err)
	}
	g, err := j.generator(progress)
	if err != nil {
		return err
	}
	defer g.close()
	r, err := g.measure()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// generator is the load of one measurement.
type generator struct {
	job
	audio    *audio
	phones   *phones
	progress io.Writer
	calls    []*caller
	base     int    // PSS without calls, kB
	sent     uint64 // before the calls that count
	used     int64
}

func (j job) generator(progress io.Writer) (*generator, error) {
	server, err := netip.ParseAddrPort(j.SIP)
	if err != nil {
		return nil, fault.New(fault.Invalid, "bench: the job: %w", err)
	}
	voice, err := soundOf(j.Codec, j.SRTP)
	if err != nil {
		return nil, err
	}
	g := &generator{job: j, progress: progress}
	if g.audio, err = openAudio(voice); err != nil {
		return nil, fault.New(fault.Unavailable, "bench: a socket: %w", err)
	}
	if g.phones, err = openPhones(server, j.Port, g.audio); err != nil {
		g.audio.close()
		return nil, fault.New(fault.Unavailable, "bench: a socket: %w", err)
	}
	return g, nil
}

func (g *generator) close() {
	g.phones.hangup()
	g.phones.close()
	g.audio.close()
}

func (g *generator) say(format string, args ...any) { fmt.Fprintf(g.progress, format+"\n", args...) }

// measure is a ramp, or one step with all calls.
func (g *generator) measure() (Result, error) {
	loaded := load()
	if err := g.warm(); err != nil {
		return Result{}, err
	}
	g.base = g.pss()
	var r Result
	var err error
	if g.Ramp {
		r, err = g.ramp()
	} else {
		r, err = g.step(g.Calls)
	}
	r.Mode, r.Codec, r.SRTP = g.Mode, g.Codec, g.SRTP
	r.MemoryBase = float64(g.base) / 1024
	r.Machine, r.Cores, r.Load = model(), runtime.NumCPU(), loaded
	return r, err
}

func (g *generator) pss() int { return pssOf(g.Home) }

// warm places one call, so that workers and buffers of the first are not
// counted as the cost of all.
func (g *generator) warm() error {
	calls := g.phones.load(g.Mode, 1, 100)
	g.phones.await(calls, callLimit, func(c caller) bool { return c.code >= 200 })
	if c := g.phones.snapshot(calls)[0]; c.code != 200 {
		return fault.New(fault.Unavailable, "bench: the first call was answered with %d", c.code).WithHint("0 is no answer at all")
	}
	pause(calm)
	g.phones.hangup()
	pause(calm)
	// What the first call sent after its BYE is no loss.
	var err error
	g.sent = g.audio.sentSoFar()
	g.used, err = g.received()
	return err
}

// ramp adds calls until a step does not hold.
func (g *generator) ramp() (Result, error) {
	var best Result
	var steps []Step
	for n := min(rampBegin, g.Calls); ; n = min(int(float64(n)*rampFactor), g.Calls) {
		r, err := g.step(n)
		if err != nil {
			return r, err
		}
		ok := r.Failed == 0 && r.Lost == 0 && r.SentLost == 0 && r.JitterP999 <= ms(rampLate)
		steps = append(steps, Step{Calls: n, OK: ok, JitterP999: r.JitterP999, Lost: r.Lost, SentLost: r.SentLost, CPU: r.CPU})
		g.say("%d calls: p99.9 %.2f ms, lost %d and %d, %.3f CPU ms per call-second: %s", n, r.JitterP999, r.Lost, r.SentLost, r.CPU,
			map[bool]string{true: "holds", false: "does not hold"}[ok])
		if ok {
			best, best.Holds = r, n
		}
		if !ok || n == g.Calls {
			if best.Calls == 0 {
				best = r
			}
			best.Steps = steps
			return best, nil
		}
	}
}

// step brings the number of calls to n and measures.
func (g *generator) step(n int) (Result, error) {
	low, err := floor(n*g.streams(), min(shortFloor, g.Duration))
	if err != nil {
		return Result{}, fault.New(fault.Unavailable, "bench: the floor: %w", err)
	}
	fresh := g.phones.load(g.Mode, n-len(g.calls), g.Rate)
	g.calls = append(g.calls, fresh...)
	g.phones.await(g.calls, callLimit, func(c caller) bool { return c.code >= 200 })
	pause(calm)
	if g.streams() > 1 {
		g.awaitStreams(n)
	}
	r := Result{Calls: answered(g.phones.snapshot(g.calls)), Floor: ms(low) * float64(g.streams())}
	g.listen(&r)
	g.setups(&r, fresh)
	for _, c := range g.phones.snapshot(g.calls) {
		if c.code != 200 || c.ended {
			r.Failed++
		}
	}
	r.MemoryPerCall = float64(g.pss()-g.base) / float64(max(r.Calls, 1))
	return r, g.outward(&r)
}

// awaitStreams waits until the other ends of bridged calls are there.
func (g *generator) awaitStreams(n int) {
	for end := now().Add(callLimit); now().Before(end) && g.audio.talking() < n*g.streams(); {
		pause(50 * time.Millisecond)
	}
	pause(calm)
}

// listen measures what comes for the duration.
func (g *generator) listen(r *Result) {
	var before time.Duration
	var began time.Time
	gaps, count, lost := g.audio.measure(g.Duration, func() { before, began = cpuOf(g.Home), now() })
	used, span := cpuOf(g.Home)-before, since(began)
	r.Seconds = span.Seconds()
	r.CPU = ms(used) / float64(max(r.Calls, 1)) / span.Seconds()
	if r.Floor > 0 {
		r.Ratio = r.CPU / r.Floor
	}
	r.Packets, r.Lost, r.Late = count, lost, g.audio.lates()
	if due := count + lost; due > 0 {
		r.LossPercent = 100 * float64(lost) / float64(due)
	}
	r.JitterP50, r.JitterP99, r.JitterP999, r.JitterMax = ms(gaps.at(0.5)), ms(gaps.at(0.99)), ms(gaps.at(0.999)), ms(gaps.at(1))
}

// setups is how long the new calls took to be answered.
func (g *generator) setups(r *Result, fresh []*caller) {
	var times figures
	for _, c := range g.phones.snapshot(fresh) {
		if c.code == 200 {
			times = append(times, time.Duration(c.answered-c.began))
		}
	}
	r.SetupP50, r.SetupP99 = ms(times.at(0.5)), ms(times.at(0.99))
}

// outward compares what the callers have sent with what the engine has used.
func (g *generator) outward(r *Result) error {
	g.audio.hush(true)
	defer g.audio.hush(false)
	pause(underWay)
	used, err := g.received()
	if err != nil {
		return err
	}
	r.SentPackets = g.audio.sentSoFar() - g.sent
	r.SentLost = max(int64(r.SentPackets)-(used-g.used), 0)
	if r.SentPackets > 0 {
		r.SentLossPart = 100 * float64(r.SentLost) / float64(r.SentPackets)
	}
	return nil
}

// received is the engine's own count of the packets it has used.
func (g *generator) received() (int64, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+g.Web+"/metrics", nil)
	if err != nil {
		return 0, fault.New(fault.Internal, "bench: metrics: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+webToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "bench: metrics: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxMetrics))
	if err != nil {
		return 0, fault.New(fault.Unavailable, "bench: metrics: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "loopstart_rtp_packets_received_total "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return int64(n), err
		}
	}
	return 0, fault.New(fault.Unavailable, "bench: the program does not count packets")
}

// maxMetrics is how much of the program's metrics is read, in bytes.
const maxMetrics = 4 << 20
