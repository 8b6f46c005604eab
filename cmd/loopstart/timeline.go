package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/loopstart/loopstart/engine"
)

// printTimeline prints a call's timeline: time, leg, kind, what happened, and
// the script line that caused it.
func printTimeline(w io.Writer, line []engine.Entry, paint func(code, text string) string) {
	colours := map[string]string{"sip": "2", "prompt": "36", "digit": "33;1", "error": "31;1", "fallback": "31", "http": "35", "log": "32", "result": "1", "step": "34"}
	for _, e := range line {
		detail, more, _ := strings.Cut(e.Detail, "\n")
		text := fmt.Sprintf("%-2s %-9s %s", e.Leg, e.Kind, clean(detail))
		if c := colours[e.Kind]; c != "" {
			text = paint(c, text)
		}
		source := ""
		if e.Source != "" {
			source = "  " + paint("2", "("+e.Source+")")
		}
		fmt.Fprintf(w, "  %8.3f  %s%s\n", float64(e.AtMs)/1000, text, source)
		for line := range strings.Lines(more) { // the values of a step
			fmt.Fprintf(w, "  %24s%s\n", "", paint("2", clean(strings.TrimRight(line, "\n"))))
		}
	}
}

// headline is the first line of an entry that has several.
func headline(detail string) string {
	first, _, _ := strings.Cut(detail, "\n")
	return first
}

// summary is a record in one line.
func summary(r engine.Record) string {
	s := "outcome " + string(r.Outcome)
	if r.AnsweredAt == nil && r.Code == 0 {
		s += ", not dialled"
		if r.Cause != "" {
			s += ": " + r.Cause
		}
	} else if r.AnsweredAt == nil {
		s += fmt.Sprintf(", not answered: %d %s", r.Code, r.Cause)
	} else {
		s += fmt.Sprintf(", talked %s, heard %d%% of the prompts, ended by %s", time.Duration(r.TalkMs)*time.Millisecond, r.Heard.Percent, r.EndedBy)
	}
	if len(r.Result) > 0 {
		s += ", result " + string(r.Result)
	}
	return s
}
