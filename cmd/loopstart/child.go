package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

// The hidden verbs: this binary again, as a child of itself.

var workerVerb = verb{name: "script-worker", hidden: true, run: func(_ context.Context, m *Main, _ []string) error {
	log := slog.New(slog.NewTextHandler(m.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return engine.WorkerMain(log)
}}

var buildVerb = verb{name: "script-build", hidden: true, run: func(_ context.Context, m *Main, _ []string) error {
	setNice(buildNice)
	return engine.BuildMain(m.Stdin, m.Stdout)
}}

var encodeVerb = verb{name: "recording-encode", hidden: true, run: func(_ context.Context, m *Main, _ []string) error {
	setNice(buildNice)
	return engine.EncodeMain(m.Stdin, m.Stdout)
}}

// children fills in how the engine starts its child processes.
func children(o *engine.Options) error {
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Internal, "cannot find the own program: %w", err)
	}
	// The children see no environment but what the runtime itself reads: it
	// may hold passwords.
	env := []string{"GOTRACEBACK=single", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	o.Worker = func(string) *exec.Cmd {
		cmd := exec.Command(self, "script-worker")
		cmd.Env = env
		return cmd
	}
	o.Builder = func() *exec.Cmd {
		cmd := exec.Command(self, "script-build")
		cmd.Env = env
		return cmd
	}
	o.Encoder = func() *exec.Cmd {
		cmd := exec.Command(self, "recording-encode")
		cmd.Env = env
		return cmd
	}
	return nil
}
