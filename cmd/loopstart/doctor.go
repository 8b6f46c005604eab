package main

import (
	"context"
	"fmt"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

var doctorVerb = verb{
	name: "doctor", summary: "look at this host: addresses, ports, limits, clock, disk, store, speech, workers",
	details: "Each line is ok, a warning (it works, but not as well as it could) or a failure, with what to do about it. Changes nothing.\n" +
		"Exit status 1 when something fails, 10 when the configuration does not load.",
	run: runDoctor,
}

func runDoctor(ctx context.Context, m *Main, args []string) error {
	if _, err := parse(flags("doctor"), args, 0); err != nil {
		return err
	}
	cfg, err := m.load("", config.Options{Dev: true})
	if err != nil {
		return err
	}
	var o engine.Options
	if err := children(&o); err != nil {
		return err
	}
	r, running := find(cfg)
	d := engine.DoctorOptions{
		Worker: o.Worker, Builder: o.Builder, Clock: clock.System(), Log: m.logger("text", "error"), State: stateDir(cfg, r.Dev), Running: running,
	}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	list := engine.Doctor(ctx, cfg, d)
	if err := m.answer(list, func() { m.showDiagnoses(list) }); err != nil {
		return err
	}
	for _, one := range list {
		if one.State == engine.HealthFail {
			return exitStatus(fault.ExitOther)
		}
	}
	return nil
}

func (m *Main) showDiagnoses(list []engine.Diagnosis) {
	width := 0
	for _, d := range list {
		width = max(width, len(d.Name))
	}
	colours := map[engine.Health]string{engine.HealthOK: "32", engine.HealthWarn: "33", engine.HealthFail: "31;1"}
	for _, d := range list {
		fmt.Fprintf(m.Stdout, "%s %-*s  %s\n", m.paintOut(colours[d.State], fmt.Sprintf("%-4s", d.State)), width, d.Name, clean(d.Detail))
		if d.Hint != "" {
			fmt.Fprintf(m.Stdout, "     %-*s  %s\n", width, "", m.paintOut("36", d.Hint))
		}
	}
}
