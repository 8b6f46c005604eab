package main

import (
	"context"
	"os"
	"syscall"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

var runVerb = verb{
	name: "run", args: "[-c FILE]", summary: "serve calls in production",
	details: "Reads loopstart.yaml, registers with its trunks and serves until it is stopped. SIGHUP reads the configuration again, SIGTERM\n" +
		"refuses new calls and ends when the present ones have (limits.drain at most); a second one ends at once.",
	run: runRun,
}

func runRun(ctx context.Context, m *Main, args []string) error {
	if _, err := parse(flags("run"), args, 0); err != nil {
		return err
	}
	cfg, err := m.load("", config.Options{})
	if err != nil {
		return err
	}
	log := m.logger(cfg.Log.Format, cfg.Log.Level)
	in, err := start(ctx, cfg, engine.Options{}, log)
	if err != nil {
		return err
	}
	defer in.close()
	ready := []any{"sip", in.SIP, "http", in.HTTP, "version", version}
	if waiting := in.Waiting(); len(waiting) > 0 {
		ready = append(ready, "waiting", waiting)
	}
	log.Info("ready", ready...)
	for {
		select {
		case s := <-m.Signals:
			if s != syscall.SIGHUP {
				return m.drain(ctx, in, cfg, s)
			}
			m.reload(in)
		case <-ctx.Done():
			return nil
		}
	}
}

// reload puts a changed configuration into force; a broken one changes nothing.
func (m *Main) reload(in *instance) {
	cfg, err := m.load("", config.Options{})
	if err == nil {
		err = in.Reload(cfg)
	}
	if err != nil {
		m.fail(err)
		m.progress("the configuration stays as it was")
	}
}

// drain waits for the calls in progress; another signal ends the wait.
func (m *Main) drain(ctx context.Context, in *instance, cfg *config.Config, s os.Signal) error {
	ctx, stop := context.WithTimeout(ctx, cfg.Limits.Drain)
	defer stop()
	go func() {
		select {
		case <-m.Signals:
			in.Hurry()
			stop()
		case <-ctx.Done():
		}
	}()
	in.Drain(ctx)
	if s == os.Interrupt {
		return exitStatus(fault.ExitInterrupted)
	}
	return nil
}
