package bench

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// How long things are measured, and with what.
const (
	floorTime   = 6 * time.Second
	playTime    = 12 * time.Second
	settle      = 2 * time.Second
	setupTime   = 5 * time.Second
	answerLimit = 5 * time.Second
	memoryCalls = 500
)

// setupRates are tried one after the other until calls fail.
var setupRates = []float64{100, 200, 400, 600, 800, 1000, 1300}

// Part is one section of the report, with its numbers of calls.
type Part struct {
	Name  string  // playing, idle, reaction or setups; empty = all
	Calls int     // playing and idle; 0 = as in the report
	Rate  float64 // setups: calls a second, one step only; 0 = rising
}

// Report measures a program and prints one line for each figure that
// docs/PERFORMANCE.md keeps.
func Report(binary string, part Part, w io.Writer) error {
	fmt.Fprintf(w, "machine: %s, %d cores, load %s\n", model(), runtime.NumCPU(), load())
	sections, err := part.sections(w)
	if err != nil {
		return err
	}
	for _, section := range sections {
		if err := with(binary, section); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "load at the end: %s\n", load())
	return nil
}

type section func(*program, *phones) error

func (part Part) sections(w io.Writer) ([]section, error) {
	play := func(n int) section { return func(p *program, ua *phones) error { return playing(w, p, ua, n) } }
	wait := func(p *program, ua *phones) error { return idle(w, p, ua, cmp.Or(part.Calls, memoryCalls)) }
	react := func(_ *program, ua *phones) error { return reaction(w, ua) }
	rates := setupRates
	if part.Rate > 0 {
		rates = []float64{part.Rate}
	}
	rise := func(p *program, ua *phones) error { return setups(w, p, ua, rates) }
	switch part.Name {
	case "":
		return []section{play(100), play(cmp.Or(part.Calls, 500)), wait, react, rise}, nil
	case "playing":
		return []section{play(cmp.Or(part.Calls, 500))}, nil
	case "idle":
		return []section{wait}, nil
	case "reaction":
		return []section{react}, nil
	case "setups":
		return []section{rise}, nil
	}
	return nil, fault.New(fault.Invalid, "bench: no part %q", part.Name).WithHint("playing, idle, reaction, setups")
}

// with runs one section against a program of its own, so that none sees what
// another has left in memory.
func with(binary string, run section) error {
	p, err := startProgram(binary, project{scripts: reportScripts})
	if err != nil {
		return err
	}
	defer p.stop()
	a, err := openAudio(plainALaw)
	if err != nil {
		return err
	}
	defer a.close()
	ua, err := openPhones(p.sip, 0, a)
	if err != nil {
		return err
	}
	defer ua.close()
	for name := range reportScripts { // every worker has run its script before
		ua.load(name, 10, 50)
	}
	pause(settle)
	ua.hangup()
	return run(p, ua)
}

// playing measures n calls that hear a prompt and send RTP.
func playing(w io.Writer, p *program, ua *phones, n int) error {
	base := p.pss()
	low, err := floor(n, floorTime)
	if err != nil {
		return err
	}
	calls := ua.load("play", n, 100)
	ua.await(calls, answerLimit, func(c caller) bool { return c.code == 200 })
	if up := answered(ua.snapshot(calls)); up != n {
		return fmt.Errorf("%d of %d calls are answered", up, n)
	}
	pause(settle)
	var before time.Duration
	var began time.Time
	gaps, count, lost := ua.audio.measure(playTime, func() { before, began = p.cpu(), now() })
	span := since(began)
	used := p.cpu() - before
	each := time.Duration(float64(used) / float64(n) / span.Seconds())
	fmt.Fprintf(w, "playing %d calls, callers send too: %.3f CPU ms per call-second, floor %.3f, ratio %.2f\n", n, ms(each), ms(low), float64(each)/float64(low))
	fmt.Fprintf(w, "  %d packets received of %.0f due, %d lost; deviation from 20 ms p50 %.2f, p99 %.2f, p99.9 %.2f ms, worst %.1f ms\n",
		count, float64(n)*span.Seconds()*50, lost, ms(gaps.at(0.5)), ms(gaps.at(0.99)), ms(gaps.at(0.999)), ms(gaps.at(1)))
	fmt.Fprintf(w, "  memory: %.0f kB PSS per playing call, script and workers included\n", float64(p.pss()-base)/float64(n))
	ua.hangup()
	return nil
}

func answered(calls []caller) (n int) {
	for _, c := range calls {
		if c.code == 200 {
			n++
		}
	}
	return n
}

// idle measures calls whose scripts wait.
func idle(w io.Writer, p *program, ua *phones, n int) error {
	base := p.pss()
	fmt.Fprintf(w, "memory: %.1f MB without calls, %d processes\n", float64(base)/1024, len(p.processes()))
	calls := ua.load("quiet", n, 100)
	ua.await(calls, answerLimit, func(c caller) bool { return c.code == 200 })
	if up := answered(ua.snapshot(calls)); up != n {
		return fmt.Errorf("%d of %d idle calls are answered", up, n)
	}
	pause(settle)
	fmt.Fprintf(w, "memory: %.0f kB PSS per idle call (%d calls whose scripts wait)\n", float64(p.pss()-base)/float64(n), n)
	ua.hangup()
	return nil
}

// reaction measures the way from INVITE to the script's first line, seen as
// the 180 it sends, and to the first packet of its prompt.
func reaction(w io.Writer, ua *phones) error {
	calls := ua.load("ring", 500, 100)
	ua.await(calls, answerLimit, func(c caller) bool { return c.ended })
	var line, sound figures
	for _, c := range ua.snapshot(calls) {
		if c.rang > 0 {
			line = append(line, time.Duration(c.rang-c.began))
		}
		if at := ua.audio.firstSound(c.port); at > c.began {
			sound = append(sound, time.Duration(at-c.began))
		}
	}
	fmt.Fprintf(w, "INVITE to the script's first line at 100 calls/s: p50 %.1f, p99 %.1f ms (%d calls, seen as its 180)\n", ms(line.at(0.5)), ms(line.at(0.99)), len(line))
	fmt.Fprintf(w, "INVITE to the first packet of the prompt: p50 %.1f, p99 %.1f ms\n", ms(sound.at(0.5)), ms(sound.at(0.99)))
	return nil
}

// setups raises the rate of short calls until one fails or is answered late.
func setups(w io.Writer, p *program, ua *phones, rates []float64) error {
	for _, rate := range rates {
		n := int(rate * setupTime.Seconds())
		before, mainBefore := p.cpu(), p.mainCPU()
		began := now()
		calls := ua.load("quick", n, rate)
		offered := float64(n) / since(began).Seconds()
		ua.await(calls, answerLimit, func(c caller) bool { return c.ended || c.code > 200 })
		used, mainUsed := p.cpu()-before, p.mainCPU()-mainBefore
		var times figures
		failed := 0
		for _, c := range ua.snapshot(calls) {
			if c.code != 200 || !c.ended {
				failed++
				continue
			}
			times = append(times, time.Duration(c.answered-c.began))
		}
		fmt.Fprintf(w, "set-up at %.0f calls/s: %d failed of %d, answered after mean %.1f, p99 %.1f ms, %.2f CPU ms per call, %.2f of it in the main process\n",
			offered, failed, n, ms(times.mean()), ms(times.at(0.99)), ms(used)/float64(n), ms(mainUsed)/float64(n))
		ua.hangup()
		pause(settle)
		if failed > 0 || times.mean() > 200*time.Millisecond {
			break
		}
	}
	return nil
}

func model() string {
	raw, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(name, "model name") {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func load() string {
	raw, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(raw))
	if len(f) == 0 {
		return "?"
	}
	return f[0]
}
