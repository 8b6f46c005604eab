// Command bench is the end of `make bench`: it measures the program that
// LOOPSTART_BIN names and prints what docs/PERFORMANCE.md keeps. How it measures
// is in package bench, which `loopstart bench` uses, too.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"

	"github.com/loopstart/loopstart/bench"
)

func main() {
	binary := flag.String("bin", os.Getenv("LOOPSTART_BIN"), "the program; default: $LOOPSTART_BIN, else bin/loopstart")
	var part bench.Part
	flag.StringVar(&part.Name, "part", "", "only playing, idle, reaction or setups")
	flag.IntVar(&part.Calls, "calls", 0, "calls of playing and idle")
	flag.Float64Var(&part.Rate, "rate", 0, "calls a second of setups; default: rising")
	before := flag.String("before", "", "an older program: what a set-up call costs both, at -rate, in turns")
	flag.Parse()
	if *binary == "" {
		*binary = "bin/loopstart"
	}
	if *before != "" {
		if err := bench.Pairs(*before, *binary, cmp.Or(part.Rate, 200), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := bench.Report(*binary, part, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
