// Command bench is the end of `make bench`: it measures the program that
// LOOPSTART_BIN names and prints what docs/PERFORMANCE.md keeps. How it measures
// is in package bench, which `loopstart bench` uses, too.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/loopstart/loopstart/bench"
)

func main() {
	binary := flag.String("bin", os.Getenv("LOOPSTART_BIN"), "the program; default: $LOOPSTART_BIN, else bin/loopstart")
	flag.Parse()
	if *binary == "" {
		*binary = "bin/loopstart"
	}
	if err := bench.Report(*binary, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
