package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
)

// fail prints an error as the output rules say and returns its exit status.
func (m *Main) fail(err error) int {
	if err == nil {
		return fault.ExitOK
	}
	if s, ok := errors.AsType[exitStatus](err); ok {
		return int(s)
	}
	if list := config.ProblemsOf(err); len(list) > 0 {
		for _, p := range list {
			m.complain(p)
		}
		return fault.ExitOf(list[0])
	}
	m.complain(err)
	return fault.ExitOf(err)
}

// exitStatus ends with a status and no message: the answer says it already.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func (m *Main) complain(err error) {
	fmt.Fprintf(m.Stderr, "%s %s\n", m.paint("31;1", "loopstart: error:"), err)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Frame != "" {
		fmt.Fprintln(m.Stderr, strings.TrimRight(f.Frame, "\n"))
	}
	if h := fault.HintOf(err); h != "" {
		fmt.Fprintf(m.Stderr, "%s %s\n", m.paint("36", "loopstart: hint:"), h)
	}
}

// progress writes to stderr unless -q.
func (m *Main) progress(format string, args ...any) {
	if !m.global.quiet {
		fmt.Fprintf(m.Stderr, format+"\n", args...)
	}
}

// answer prints v as JSON if asked for, else by text.
func (m *Main) answer(v any, text func()) error {
	switch m.global.output {
	case "json":
		enc := json.NewEncoder(m.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	case "ndjson":
		return m.lines(v)
	}
	text()
	return nil
}

// lines prints a list one value a line.
func (m *Main) lines(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	for _, one := range list {
		fmt.Fprintf(m.Stdout, "%s\n", one)
	}
	return nil
}

// paint colours a text for a terminal.
func (m *Main) paint(code, text string) string {
	if !m.colourful() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (m *Main) colourful() bool {
	switch {
	case m.global.color == "always":
		return true
	case m.global.color == "never" || m.Getenv("NO_COLOR") != "":
		return false
	}
	return isTerminal(m.Stderr)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
