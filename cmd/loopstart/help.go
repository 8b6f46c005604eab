package main

import (
	"context"
	"fmt"
	"strings"
)

var helpVerb = verb{
	name: "help", args: "[VERB]", summary: "explain a command",
	run: func(ctx context.Context, m *Main, args []string) error {
		rest, err := parse(flags("help"), args, 1)
		if err != nil {
			return err
		}
		if len(rest) == 0 {
			return m.overview()
		}
		v, ok := lookup(m, rest[0])
		if !ok || v.hidden {
			return catalogue(m).unknown(rest[0])
		}
		return m.explain(v)
	},
}

// catalogue is the list of commands as help and completion see it. They stand
// in that list themselves, and only a call through an interface keeps Go from
// taking this for a cycle of initialisation.
type catalogue interface {
	list() []verb
	unknown(name string) error
}

func (m *Main) list() []verb { return verbs() }

func (m *Main) unknown(name string) error { return unknownVerb(name) }

func lookup(c catalogue, name string) (verb, bool) {
	for _, v := range c.list() {
		if v.name == name {
			return v, true
		}
	}
	return verb{}, false
}

// globalHelp lists the options that every command takes.
const globalHelp = `  -c, --config FILE   the configuration; default: loopstart.yaml here
  -C DIR              as if started in DIR
  -o FORMAT           text, json or ndjson
  -q, -v              less, more
  --color WHEN        auto, always or never; NO_COLOR is heeded
`

// helpEntry is one command in -o json.
type helpEntry struct {
	Name    string `json:"name"`
	Usage   string `json:"usage"`
	Summary string `json:"summary"`
	Details string `json:"details,omitempty"`
}

func (v verb) entry() helpEntry {
	return helpEntry{v.name, strings.TrimSpace("loopstart " + v.name + " " + v.args), v.summary, v.details}
}

func (m *Main) overview() error {
	var all []helpEntry
	for _, v := range catalogue(m).list() {
		if !v.hidden {
			all = append(all, v.entry())
		}
	}
	return m.answer(all, func() {
		fmt.Fprintf(m.Stdout, "loopstart runs call scenarios written in JavaScript or TypeScript on a SIP trunk.\n\n")
		for _, e := range all {
			fmt.Fprintf(m.Stdout, "  %s %s\n", m.bold(fmt.Sprintf("%-11s", e.Name)), e.Summary)
		}
		fmt.Fprintf(m.Stdout, "\nOptions, before or after the command:\n%s", globalHelp)
		fmt.Fprintf(m.Stdout, "\n`loopstart help VERB` tells more. Begin with `loopstart init hello && loopstart dev hello`.\n")
	})
}

func (m *Main) explain(v verb) error {
	e := v.entry()
	return m.answer(e, func() {
		fmt.Fprintf(m.Stdout, "%s\n\n%s.\n", m.bold(e.Usage), capital(e.Summary))
		if e.Details != "" {
			fmt.Fprintf(m.Stdout, "\n%s\n", e.Details)
		}
		fmt.Fprintf(m.Stdout, "\nOptions of every command:\n%s", globalHelp)
	})
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// bold paints a text of the answer, which goes to stdout.
func (m *Main) bold(text string) string { return m.paintOut("1", text) }

// paintOut colours a text of stdout: when the errors go to a terminal and the
// answer into a file, the file stays clean.
func (m *Main) paintOut(code, text string) string {
	if m.global.color == "auto" && !isTerminal(m.Stdout) {
		return text
	}
	return m.paint(code, text)
}
