package bench

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Two versions are compared in turns so short that whatever else the machine
// does disturbs both alike.
const (
	pairRounds = 20
	pairTime   = time.Second
	pairPause  = 300 * time.Millisecond // until the calls of a turn are written down
)

// contestant is one of two running programs.
type contestant struct {
	*program
	*phones
	audio       *audio
	main, other []time.Duration // of each turn, per call
}

// Pairs measures what a set-up call costs two programs at a rate, in turns, and
// prints the medians and the median of the turns' ratios.
func Pairs(old, changed string, rate float64, w io.Writer) error {
	var both [2]*contestant
	for i, binary := range []string{old, changed} {
		c, err := enter(binary)
		if err != nil {
			return err
		}
		defer c.leave()
		both[i] = c
	}
	for range pairRounds {
		for _, c := range both {
			if err := c.turn(rate); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(w, "load %s, CPU ms per set-up call at %.0f calls/s, medians of %d turns\n", load(), rate, pairRounds)
	for i, name := range []string{"before", "after"} {
		fmt.Fprintf(w, "%-7s %.2f in the main process, %.2f in workers\n", name, ms(figures(both[i].main).at(0.5)), ms(figures(both[i].other).at(0.5)))
	}
	var ratios []float64
	for i := range both[0].main {
		a, b := both[0].main[i]+both[0].other[i], both[1].main[i]+both[1].other[i]
		ratios = append(ratios, float64(b)/float64(a))
	}
	slices.Sort(ratios)
	fmt.Fprintf(w, "after / before: %.3f (the middle half is %.3f to %.3f)\n", ratios[len(ratios)/2], ratios[len(ratios)/4], ratios[len(ratios)*3/4])
	return nil
}

func enter(binary string) (*contestant, error) {
	p, err := startProgram(binary, project{scripts: map[string]string{"quick": reportScripts["quick"]}})
	if err != nil {
		return nil, err
	}
	c := &contestant{program: p}
	if c.audio, err = openAudio(plainALaw); err == nil {
		c.phones, err = openPhones(p.sip, 0, c.audio)
	}
	if err != nil {
		c.leave()
		return nil, err
	}
	c.phones.load("quick", 50, 50) // workers and buffers of the first
	pause(settle)
	c.phones.hangup()
	return c, nil
}

func (c *contestant) leave() {
	if c.phones != nil {
		c.phones.close()
	}
	if c.audio != nil {
		c.audio.close()
	}
	c.program.stop()
}

// turn places calls for pairTime and waits for their end.
func (c *contestant) turn(rate float64) error {
	n := int(rate * pairTime.Seconds())
	before, mainBefore := c.cpu(), c.mainCPU()
	calls := c.phones.load("quick", n, rate)
	c.await(calls, answerLimit, func(c caller) bool { return c.ended || c.code > 200 })
	pause(pairPause)
	all, main := c.cpu()-before, c.mainCPU()-mainBefore
	for _, call := range c.snapshot(calls) {
		if call.code != 200 || !call.ended {
			return fault.New(fault.Unavailable, "bench: a call was answered with %d", call.code)
		}
	}
	c.main = append(c.main, main/time.Duration(n))
	c.other = append(c.other, (all-main)/time.Duration(n))
	return nil
}
