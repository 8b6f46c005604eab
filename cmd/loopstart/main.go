// Command loopstart runs call scenarios written in JavaScript or TypeScript on
// a SIP trunk: it answers calls, places calls, and tells what happened.
//
// Output rules. stdout carries the answer, stderr progress and errors. An
// error is one line "loopstart: error: …", the code frame if there is one, and
// "loopstart: hint: …". With -o json the answer is one JSON value, with
// -o ndjson one value a line. Colours only on a terminal, and never with
// NO_COLOR.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/loopstart/loopstart/internal/fault"
)

// version is set by the linker.
var version = "dev"

func main() {
	m := &Main{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Environ: os.Environ,
		Signals: make(chan os.Signal, 4),
	}
	signal.Notify(m.Signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(m.Run(context.Background()))
}

// Main is the whole program as one value, so that a test can start it.
type Main struct {
	Args    []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
	Environ func() []string
	Signals chan os.Signal

	global globals
}

// verb is one command.
type verb struct {
	name    string
	args    string // after the name, for help
	summary string
	details string
	hidden  bool
	run     func(context.Context, *Main, []string) error
}

// verbs lists all commands in the order of help.
func verbs() []verb {
	return []verb{
		initVerb, devVerb, runVerb, callVerb, testVerb, checkVerb, callsVerb, campaignVerb, whyVerb, scriptsVerb, flowVerb, groupsVerb, usersVerb, trunkVerb, bansVerb, outboxVerb, eraseVerb, auditVerb, backupVerb, restoreVerb, configVerb, doctorVerb, benchVerb, versionVerb, helpVerb, completionVerb,
		workerVerb, buildVerb, encodeVerb, benchLoadVerb,
	}
}

// Run carries out the command line and returns the exit status.
func (m *Main) Run(ctx context.Context) int {
	args, err := m.parseGlobals(m.Args)
	if err != nil {
		return m.fail(err)
	}
	switch {
	case len(args) == 0:
		args, m.global.help = []string{"help"}, false
	case args[0] == "--version": // as every program is asked
		args[0] = "version"
	}
	v, ok := findVerb(args[0])
	if !ok {
		return m.fail(unknownVerb(args[0]))
	}
	if m.global.help {
		return m.fail(helpVerb.run(ctx, m, args[:1]))
	}
	return m.fail(v.run(ctx, m, args[1:]))
}

func findVerb(name string) (verb, bool) {
	for _, v := range verbs() {
		if v.name == name {
			return v, true
		}
	}
	return verb{}, false
}

func unknownVerb(name string) error {
	e := fault.New(fault.Invalid, "no command %q", name).WithExit(fault.ExitUsage)
	var names []string
	for _, v := range verbs() {
		if !v.hidden {
			names = append(names, v.name)
		}
	}
	if near := nearest(name, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("`loopstart help` lists the commands")
}
