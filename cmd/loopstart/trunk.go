package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

var trunkVerb = verb{
	name: "trunk", args: "[ls|check NAME]", summary: "how trunks stand, and a check in words",
	details: "ls shows registration and reachability as the running instance sees them, the calls now and today, and of those we made the share\n" +
		"that was answered (ASR), their mean talk (ACD) and mean post-dial delay (PDD); -o json has a week and the failures by code.\n" +
		"check sends the trunk our OPTIONS and REGISTER and tells each answer in words; the REGISTER asks and changes nothing. It also\n" +
		"tells in which headers the last incoming call carried the dialled number. Exit status 14 if the trunk cannot be used.",
	run: runTrunk,
}

func runTrunk(ctx context.Context, m *Main, args []string) error {
	return onNamed("trunk", "trunk", args, m.listTrunks, action{"check", func(name string) error { return m.checkTrunk(ctx, name) }})
}

func (m *Main) listTrunks() error {
	cfg, err := m.load("", config.Options{Dev: true})
	if err != nil {
		return err
	}
	var out struct{ Trunks []engine.TrunkLine }
	r, running := find(cfg)
	if running {
		if err := newClient(r).get("/v1/trunks", &out); err != nil {
			return err
		}
	} else {
		m.progress("no loopstart is running for this project: these are the configured trunks")
		out.Trunks = engine.ConfiguredTrunks(cfg)
	}
	return m.answer(out.Trunks, func() {
		if len(out.Trunks) == 0 {
			m.progress("no trunks; see trunks in %s", config.FileName)
			return
		}
		t := table{head: []string{"TRUNK", "ADDRESS", "STATE", "DETAIL"}}
		if running {
			t.head = append(t.head, "NOW", "TODAY", "ASR", "ACD", "PDD")
		}
		for _, l := range out.Trunks {
			cells := []string{l.Name, l.Address, l.State, clean(l.Words)}
			if running {
				cells = append(cells, trunkDay(l)...)
			}
			t.add(cells...)
		}
		t.print(m)
	})
}

// trunkDay is how a trunk's calls went today.
func trunkDay(l engine.TrunkLine) []string {
	if len(l.Days) == 0 {
		return []string{"-", "-", "-", "-", "-"}
	}
	d := l.Days[0]
	cells := []string{fmt.Sprintf("%d/%d", l.In+l.Out, l.MaxCalls), fmt.Sprintf("%d out, %d in", d.Attempts, d.Incoming), "-", "-", "-"}
	if d.Attempts > 0 {
		cells[2] = fmt.Sprintf("%g%%", d.ASR)
	}
	if d.Answers > 0 {
		cells[3] = fmt.Sprintf("%gs", d.ACD)
	}
	if d.PDD > 0 {
		cells[4] = fmt.Sprintf("%gs", d.PDD)
	}
	return cells
}

// checkTrunk asks the running instance, or checks from this process.
func (m *Main) checkTrunk(ctx context.Context, name string) error {
	cfg, err := m.load("", config.Options{Dev: true, Live: []string{name}})
	if err != nil {
		return err
	}
	if err := knownTrunk(cfg, name); err != nil {
		return err
	}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	var report engine.TrunkCheck
	if r, ok := find(cfg); ok {
		err = newClient(r).post("/v1/trunks/"+url.PathEscape(name)+"/check", nil, &report)
	} else {
		m.progress("no loopstart is running for this project: checking from here")
		report, err = engine.CheckTrunkAlone(ctx, cfg, name, m.logger("text", "error"))
	}
	if err != nil {
		return err
	}
	if err := m.answer(report, func() { m.printCheck(report) }); err != nil || report.OK {
		return err
	}
	return exitStatus(fault.ExitTrunk)
}

func knownTrunk(cfg *config.Config, name string) error {
	if _, ok := cfg.Trunk(name); ok {
		return nil
	}
	var names []string
	for _, t := range cfg.Trunks {
		names = append(names, t.Name)
	}
	e := fault.New(fault.NotFound, "no trunk %q", name).WithExit(fault.ExitConfig)
	switch near := nearest(name, names); {
	case near != "":
		return e.WithHint("did you mean %s?", near)
	case len(names) == 0:
		return e.WithHint("add it to trunks in %s", config.FileName)
	}
	return e.WithHint("trunks are %s", strings.Join(names, ", "))
}

func (m *Main) printCheck(r engine.TrunkCheck) {
	fmt.Fprintln(m.Stdout, m.bold("trunk "+r.Name))
	for _, s := range r.Steps {
		code := ""
		if s.Code > 0 {
			code = fmt.Sprintf("%d %s: ", s.Code, clean(s.Reason))
		}
		took := (time.Duration(s.TookMs) * time.Millisecond).String()
		fmt.Fprintf(m.Stdout, "  %s %-9s %s%s  %s\n", m.mark(s.OK), s.What, code, clean(s.Words), m.paintOut("2", took))
		if s.Hint != "" {
			fmt.Fprintf(m.Stdout, "              hint: %s\n", clean(s.Hint))
		}
	}
	if len(r.Inbound) == 0 {
		fmt.Fprintf(m.Stdout, "  %s %-9s no call has come from this trunk yet\n", m.paintOut("2", "-"), "inbound")
		return
	}
	fmt.Fprintf(m.Stdout, "  %s %-9s the last incoming call carried the dialled number in\n", m.mark(true), "inbound")
	for _, p := range r.Inbound {
		fmt.Fprintf(m.Stdout, "              %-18s %s\n", p.Header, clean(p.Number))
	}
}

// mark is a tick or a cross.
func (m *Main) mark(ok bool) string {
	if ok {
		return m.paintOut("32", "✓")
	}
	return m.paintOut("31;1", "✗")
}
