package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/loopstart/loopstart/bench"
	"github.com/loopstart/loopstart/internal/fault"
)

var benchVerb = verb{
	name: "bench", args: "[--calls N] [--duration D] [--mode play|bridge|record|conference] [--rate CPS] [--codec PCMA] [--srtp] [--ramp] [--max-late D] [--max-loss PERCENT] [--max-cpu MS]",
	summary: "measure how many calls this host carries",
	details: "Starts an engine of its own with a made-up project on free ports of loopback, and a second process that calls it with real SIP\n" +
		"and RTP; both end with the measurement, and their folder is removed. Needs no root and no configuration.\n\n" +
		"  --calls 100        calls at once; with --ramp the most that are tried (default 5000)\n" +
		"  --duration 30s     how long they are measured, after the last one is up (with --ramp each step; default 10s)\n" +
		"  --mode play        play (a prompt to each), bridge (each to another one, over a trunk), record (play and record to disk),\n" +
		"                     conference (rooms of ten)\n" +
		"  --rate 50          new calls a second\n" +
		"  --codec PCMA       PCMA, PCMU, G722 or opus\n" +
		"  --srtp             encrypted audio\n" +
		"  --ramp             add calls until p99.9 is more than 10 ms late or a packet is lost, and tell the largest number that held\n" +
		"  --max-late 10ms    the p99.9 deviation from 20 ms between packets that is allowed\n" +
		"  --max-loss 0       percent of packets that may be lost, each way\n" +
		"  --max-cpu 0.5      CPU ms per call and second that is allowed, all processes of the engine together\n\n" +
		"The floor is the cheapest way this host has to send the same packets, measured in the same run; the ratio to it travels better\n" +
		"between hosts than milliseconds. In bridge mode the jitter is the caller's and ours together. Exit status 1 when a limit is\n" +
		"crossed or a call fails.",
	run: runBench,
}

// The defaults of a ramp.
const (
	rampCalls    = 5000
	rampDuration = 10 * time.Second
)

func runBench(ctx context.Context, m *Main, args []string) error {
	o, limits, err := benchOptions(args)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Internal, "cannot find the own program: %w", err)
	}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	progress := m.Stderr
	if m.global.quiet {
		progress = io.Discard
	}
	m.progress("%s", benchPlan(o))
	r, err := bench.Run(ctx, o, self, func() *exec.Cmd {
		cmd := exec.Command(self, "bench-load")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		return cmd
	}, progress)
	if err != nil {
		return err
	}
	crossed := r.Hold(limits)
	if err := m.answer(r, func() { m.showBench(r) }); err != nil {
		return err
	}
	if len(crossed) > 0 {
		return exitStatus(fault.ExitOther)
	}
	return nil
}

// benchOptions reads the command line.
func benchOptions(args []string) (o bench.Options, l bench.Limits, err error) {
	fs := flags("bench")
	fs.IntVar(&o.Calls, "calls", 100, "")
	fs.DurationVar(&o.Duration, "duration", 30*time.Second, "")
	fs.StringVar(&o.Mode, "mode", "play", "")
	fs.Float64Var(&o.Rate, "rate", 50, "")
	fs.StringVar(&o.Codec, "codec", "PCMA", "")
	fs.BoolVar(&o.SRTP, "srtp", false, "")
	fs.BoolVar(&o.Ramp, "ramp", false, "")
	fs.DurationVar(&l.MaxLate, "max-late", 0, "")
	fs.Float64Var(&l.MaxLoss, "max-loss", -1, "")
	fs.Float64Var(&l.MaxCPU, "max-cpu", 0, "")
	if _, err = parse(fs, args, 0); err != nil {
		return o, l, err
	}
	set := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	l.HasLoss = l.MaxLoss >= 0
	if o.Ramp && !set["calls"] {
		o.Calls = rampCalls
	}
	if o.Ramp && !set["duration"] {
		o.Duration = rampDuration
	}
	return o, l, o.Check()
}

// benchPlan says what is about to happen.
func benchPlan(o bench.Options) string {
	what := fmt.Sprintf("%d calls, mode %s, %s", o.Calls, o.Mode, o.Codec)
	if o.SRTP {
		what += " with SRTP"
	}
	if o.Ramp {
		return fmt.Sprintf("up to %s; %s a step", what, o.Duration)
	}
	return fmt.Sprintf("%s; %s after they are up", what, o.Duration)
}

func (m *Main) showBench(r bench.Result) {
	w := m.Stdout
	fmt.Fprintf(w, "%s, %d cores, load %s before\n\n", r.Machine, r.Cores, r.Load)
	if r.Steps != nil {
		fmt.Fprintf(w, "holds          %s calls (p99.9 at most 10 ms late, no packet lost)\n", m.bold(fmt.Sprint(r.Holds)))
	}
	fmt.Fprintf(w, "calls          %d up for %.0f s, %d failed\n", r.Calls, r.Seconds, r.Failed)
	fmt.Fprintf(w, "set-up         p50 %.1f, p99 %.1f ms from INVITE to 200\n", r.SetupP50, r.SetupP99)
	fmt.Fprintf(w, "CPU            %.3f ms per call-second, all processes of the engine\n", r.CPU)
	fmt.Fprintf(w, "floor          %.3f ms per call-second, only sending the packets: ratio %.2f\n", r.Floor, r.Ratio)
	fmt.Fprintf(w, "jitter         p50 %.2f, p99 %.2f, p99.9 %.2f, worst %.1f ms from 20 ms between packets; %d more than 10 ms late\n",
		r.JitterP50, r.JitterP99, r.JitterP999, r.JitterMax, r.Late)
	fmt.Fprintf(w, "loss           %d of %d packets from the engine (%.4f %%), %d of %d to it (%.4f %%)\n",
		r.Lost, r.Packets+r.Lost, r.LossPercent, r.SentLost, r.SentPackets, r.SentLossPart)
	fmt.Fprintf(w, "memory         %.0f kB a call (PSS), %.0f MB without calls\n", r.MemoryPerCall, r.MemoryBase)
	for _, c := range r.Crossed {
		fmt.Fprintf(w, "%s %s\n", m.paintOut("31;1", "crossed       "), c)
	}
}

// benchLoadVerb is the process that makes the load.
var benchLoadVerb = verb{name: "bench-load", hidden: true, run: func(_ context.Context, m *Main, _ []string) error {
	return bench.Load(m.Stdin, m.Stdout, m.Stderr)
}}
