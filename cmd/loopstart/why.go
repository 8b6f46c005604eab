package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

var whyVerb = verb{
	name: "why", args: "PHONE", summary: "why a number was or was not called",
	details: "One answer for each order and campaign that knows the number: window, cap, stop-list, trunks, earlier attempts with their\n" +
		"outcomes, and when the next one is planned. Asks the running instance of the project.",
	run: runWhy,
}

func runWhy(_ context.Context, m *Main, args []string) error {
	rest, err := parse(flags("why"), args, 1)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return fault.New(fault.Invalid, "why: which number?").WithExit(fault.ExitUsage).WithHint("loopstart why +79161234567")
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := c.get("/v1/why/"+url.PathEscape(rest[0]), &raw); err != nil {
		return err
	}
	return m.answer(raw, func() {
		var w engine.Why
		if json.Unmarshal(raw, &w) == nil {
			m.printWhy(w)
		}
	})
}

func (m *Main) printWhy(w engine.Why) {
	fmt.Fprintf(m.Stdout, "%s: %s there (%s)\n", m.bold(w.Phone), w.Local, w.Zone)
	if w.StopList != nil {
		fmt.Fprintf(m.Stdout, "  %s on the stop-list since %s %s\n", m.mark(false), w.StopList.Added.Local().Format("2006-01-02 15:04"), clean(w.StopList.Reason))
	}
	if w.InCall != "" {
		fmt.Fprintf(m.Stdout, "  in a call now: %s\n", w.InCall)
	}
	if len(w.Answers) == 0 {
		fmt.Fprintln(m.Stdout, "  no order and no campaign knows this number")
	}
	for _, a := range w.Answers {
		title := a.Kind + " " + a.ID
		if a.Contact != "" && a.Contact != w.Phone {
			title += " (" + clean(a.Contact) + ")"
		}
		fmt.Fprintf(m.Stdout, "\n%s, script %s: %s\n", m.bold(title), a.Script, clean(a.Answer))
		if !a.NextAt.IsZero() {
			fmt.Fprintf(m.Stdout, "  next      %s\n", a.NextAt.Local().Format("2006-01-02 15:04:05"))
		}
		for _, t := range a.Attempts {
			code := ""
			if t.Code > 0 {
				code = fmt.Sprintf(" (%d)", t.Code)
			}
			fmt.Fprintf(m.Stdout, "  attempt   %s %s%s\n", t.At.Local().Format("2006-01-02 15:04:05"), orDash(string(t.Outcome)), code)
		}
		for _, check := range a.Checks {
			fmt.Fprintf(m.Stdout, "  %s %-9s %s\n", m.mark(check.OK), check.Name, clean(check.Words))
		}
	}
	if len(w.Answers) > 0 {
		return
	}
	for _, t := range w.Trunks {
		text := t.Words
		if t.Full != "" {
			text += ", " + t.Full
		}
		fmt.Fprintf(m.Stdout, "  trunk %s: %s\n", t.Name, clean(text))
	}
	if w.NoTrunk != "" {
		fmt.Fprintf(m.Stdout, "  %s %s\n", m.mark(false), w.NoTrunk)
	}
}
