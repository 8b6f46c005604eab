package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
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

// Report measures a program and prints one line for each figure that
// docs/PERFORMANCE.md keeps.
func Report(binary string, w io.Writer) error {
	fmt.Fprintf(w, "machine: %s, %d cores, load %s\n", model(), runtime.NumCPU(), load())
	for _, section := range []func(*program, *phones) error{
		func(p *program, ua *phones) error { return playing(w, p, ua, 100) },
		func(p *program, ua *phones) error { return playing(w, p, ua, 500) },
		func(p *program, ua *phones) error { return idle(w, p, ua) },
		func(_ *program, ua *phones) error { return reaction(w, ua) },
		func(p *program, ua *phones) error { return setups(w, p, ua) },
	} {
		if err := with(binary, section); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "load at the end: %s\n", load())
	return nil
}

// with runs one section against a program of its own, so that none sees what
// another has left in memory.
func with(binary string, section func(*program, *phones) error) error {
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
	return section(p, ua)
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
func idle(w io.Writer, p *program, ua *phones) error {
	base := p.pss()
	fmt.Fprintf(w, "memory: %.1f MB without calls, %d processes\n", float64(base)/1024, len(p.processes()))
	calls := ua.load("quiet", memoryCalls, 100)
	ua.await(calls, answerLimit, func(c caller) bool { return c.code == 200 })
	if up := answered(ua.snapshot(calls)); up != memoryCalls {
		return fmt.Errorf("%d of %d idle calls are answered", up, memoryCalls)
	}
	pause(settle)
	fmt.Fprintf(w, "memory: %.0f kB PSS per idle call (%d calls whose scripts wait)\n", float64(p.pss()-base)/memoryCalls, memoryCalls)
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
func setups(w io.Writer, p *program, ua *phones) error {
	for _, rate := range setupRates {
		n := int(rate * setupTime.Seconds())
		before := p.cpu()
		began := now()
		calls := ua.load("quick", n, rate)
		offered := float64(n) / since(began).Seconds()
		ua.await(calls, answerLimit, func(c caller) bool { return c.ended || c.code > 200 })
		used := p.cpu() - before
		var times figures
		failed := 0
		for _, c := range ua.snapshot(calls) {
			if c.code != 200 || !c.ended {
				failed++
				continue
			}
			times = append(times, time.Duration(c.answered-c.began))
		}
		fmt.Fprintf(w, "set-up at %.0f calls/s: %d failed of %d, answered after mean %.1f, p99 %.1f ms, %.2f CPU ms per call\n",
			offered, failed, n, ms(times.mean()), ms(times.at(0.99)), ms(used)/float64(n))
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
