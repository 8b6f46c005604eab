package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

var backupVerb = verb{
	name: "backup", args: "FILE [--dev] [--force]", summary: "save the state into one file",
	details: "Calls, orders, campaigns, flows, kv, the outbox and the script versions they need, as of one moment; also while an\n" +
		"instance runs. Recordings, configuration and scripts are files of their own and are not in it.\n\n" +
		"  FILE     is written whole or not at all; - is stdout\n" +
		"  --dev    when nothing runs: the state of `loopstart dev`\n" +
		"  --force  replace FILE if it is there",
	run: runBackup,
}

var restoreVerb = verb{
	name: "restore", args: "FILE [--dev] [--force]", summary: "put a backup in place",
	details: "The backup is read and proved before anything is changed. No instance may run on the state.\n\n" +
		"  FILE     a file of `loopstart backup`; - is stdin\n" +
		"  --dev    into the state of `loopstart dev`\n" +
		"  --force  a store that is there is put aside, into before-restore-TIME beside it",
	run: runRestore,
}

func runBackup(ctx context.Context, m *Main, args []string) error {
	on, err := m.stateAndFile("backup", args)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return m.backup(ctx, on.cfg, on.dev, w) }
	if on.file == "-" {
		return write(m.Stdout)
	}
	size, err := saveWhole(on.file, on.force, write)
	if err != nil {
		return err
	}
	return m.answer(map[string]any{"file": on.file, "bytes": size}, func() { m.progress("saved %s, %d bytes", on.file, size) })
}

// onState is what a verb was told that reads or writes the whole state.
type onState struct {
	cfg        *config.Config
	dev, force bool
	file       string
}

func (m *Main) stateAndFile(verb string, args []string) (o onState, err error) {
	fs := flags(verb)
	fs.BoolVar(&o.dev, "dev", false, "")
	fs.BoolVar(&o.force, "force", false, "")
	if o.file, err = oneFile(fs, args); err != nil {
		return o, err
	}
	o.cfg, err = m.load("", config.Options{Dev: true})
	return o, err
}

// oneFile reads the options and the one argument.
func oneFile(fs *flag.FlagSet, args []string) (string, error) {
	rest, err := parse(fs, args, 1)
	if err == nil && (len(rest) == 0 || rest[0] == "") {
		err = fault.New(fault.Invalid, "%s: which file?", fs.Name()).WithExit(fault.ExitUsage).WithHint("loopstart %s loopstart.backup", fs.Name())
	}
	if err != nil {
		return "", err
	}
	return rest[0], nil
}

// backup asks the running instance, or reads the store when none runs.
func (m *Main) backup(ctx context.Context, cfg *config.Config, dev bool, w io.Writer) error {
	r, ok := find(cfg)
	if !ok {
		return engine.BackupStopped(stateDir(cfg, dev), version, m.logger("text", "error"), w)
	}
	res, err := newClient(r).do(ctx, "GET", "/v1/backup", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		return fault.New(fault.Network, "backup: the running loopstart broke off: %w", err)
	}
	return nil
}

// saveWhole writes a file beside its place and moves it there when it is on disk.
func saveWhole(file string, force bool, write func(io.Writer) error) (size int64, err error) {
	if _, err := os.Stat(file); err == nil && !force {
		return 0, fault.New(fault.Conflict, "backup: %s is there already", file).WithHint("name another file, or --force replaces it")
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".backup-*") // readable by its owner only
	if err != nil {
		return 0, fault.New(fault.Denied, "backup: %w", err)
	}
	defer os.Remove(f.Name()) // gone when it was moved
	err = errors.Join(write(f), f.Sync())
	if info, serr := f.Stat(); serr == nil {
		size = info.Size()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	return size, os.Rename(f.Name(), file)
}

func runRestore(_ context.Context, m *Main, args []string) error {
	on, err := m.stateAndFile("restore", args)
	if err != nil {
		return err
	}
	in := m.Stdin
	if on.file != "-" {
		f, err := os.Open(on.file)
		if err != nil {
			return fault.New(fault.NotFound, "restore: %w", err)
		}
		defer f.Close()
		in = f
	}
	done, err := engine.Restore(engine.RestoreOptions{Dir: stateDir(on.cfg, on.dev), Force: on.force, Log: m.logger("text", "error")}, in)
	if err != nil {
		return err
	}
	return m.answer(done, func() {
		fmt.Fprintf(m.Stdout, "restored the state of %s into %s\n", done.Created.Local().Format("2006-01-02 15:04:05"), done.Dir)
		if done.Aside != "" {
			fmt.Fprintf(m.Stdout, "  what was there lies in %s\n", done.Aside)
		}
	})
}
