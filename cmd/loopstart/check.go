package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/engine/check"
	"github.com/loopstart/loopstart/internal/fault"
)

var checkVerb = verb{
	name: "check", args: "[dir]", summary: "find what can be found without running",
	details: "Reads the configuration, builds every script, and looks for prompt files, schedules, secrets, trunks and groups that scripts\n" +
		"name and that are not there, for routes without a script, and for what this version does not have. Exit status 10 for the\n" +
		"configuration, 11 for scripts, 0 when there are warnings only.",
	run: runCheck,
}

func runCheck(ctx context.Context, m *Main, args []string) error {
	rest, err := parse(flags("check"), args, 1)
	if err != nil {
		return err
	}
	dir := ""
	if len(rest) == 1 {
		dir = rest[0]
	}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	report, err := m.check(ctx, dir)
	if ctx.Err() != nil {
		return exitStatus(fault.ExitInterrupted)
	}
	if err != nil {
		return err
	}
	if err := m.answer(report, func() { m.showReport(report) }); err != nil {
		return err
	}
	if report.OK {
		return nil
	}
	return exitStatus(report.Exit())
}

func (m *Main) check(ctx context.Context, dir string) (check.Report, error) {
	cfg, err := m.load(dir, config.Options{})
	if err != nil {
		return check.ConfigReport(err), nil
	}
	var o engine.Options
	if err := children(&o); err != nil {
		return check.Report{}, err
	}
	return check.Run(ctx, cfg, check.Options{Builder: o.Builder})
}

func (m *Main) showReport(r check.Report) {
	for _, f := range r.Findings {
		switch f.Level {
		case check.LevelError:
			m.complain(f.Fault())
		case check.LevelWarning:
			m.remark(m.paint("33", "loopstart: warning:"), f)
		default:
			if !m.global.quiet {
				m.remark(m.paint("2", "loopstart: note:"), f)
			}
		}
	}
	for _, s := range r.Scripts {
		line := s.Name
		extra := slices.DeleteFunc(slices.Clone(s.Exports), func(name string) bool { return name == "config" || name == "default" })
		if len(extra) > 0 {
			line += m.paintOut("2", "  also "+strings.Join(extra, ", "))
		}
		fmt.Fprintf(m.Stdout, "%s %s\n", m.mark(s.OK), line)
	}
	fmt.Fprintf(m.Stdout, "%s, %s, %s\n", plural(len(r.Scripts), "script"), plural(r.Count(check.LevelError), "error"), plural(r.Count(check.LevelWarning), "warning"))
}

// remark prints a finding that is no error in the form of one.
func (m *Main) remark(head string, f check.Finding) {
	fmt.Fprintf(m.Stderr, "%s %s\n", head, f.Fault())
	if f.Frame != "" {
		fmt.Fprintln(m.Stderr, strings.TrimRight(f.Frame, "\n"))
	}
	if f.Hint != "" {
		fmt.Fprintf(m.Stderr, "%s %s\n", m.paint("36", "loopstart: hint:"), f.Hint)
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
