package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

// deskHelp lists the hot keys of dev.
const deskHelp = "keys: c call a script · t run the tests · s step tracing · r reload · q quit · h help"

// desk is dev at work: one project, its instance, and the keys of its terminal.
//
// # Concurrency
//
// Its own goroutine is that of the verb; mine is read where calls end.
type desk struct {
	m    *Main
	o    devFlags
	cfg  *devConfig
	in   *instance
	term *terminal              // nil where there are no hot keys
	mine atomic.Pointer[string] // the caller whose calls are shown as they happen

	choices []string // scripts to choose from; the next key is the choice
	tests   *exec.Cmd
	tested  chan error
	steps   bool
	failed  error // of a restart: there is nothing to go on with
}

// open starts the instance; before is what an earlier one had.
func (d *desk) open(ctx context.Context, before *devConfig) error {
	cfg, err := d.m.loadDev(d.o, before)
	if err != nil {
		return err
	}
	live, err := liveTrunk(cfg.Config, d.o.live)
	if err != nil {
		return err
	}
	if err := engine.WriteTypes(cfg.Dir); err != nil {
		d.m.progress("the types for editors cannot be written: %s", err)
	}
	in, err := start(ctx, cfg.Config, engine.Options{
		Dev: true, Live: live, OnScript: d.m.showScript, OnEnded: d.showCall,
	}, d.m.logger("text", cfg.Log.Level))
	if err != nil {
		return err
	}
	in.TraceSteps(d.steps, d.o.trace.value)
	if name := d.o.trace.value; name != "" {
		if err := newClient(in.running).knows(name); fault.CodeOf(err) == fault.NotFound {
			d.m.progress("%s --trace: %s; %s", d.m.paint("33", "warning:"), err, fault.HintOf(err))
		}
	}
	d.cfg, d.in = cfg, in
	d.m.welcome(in, cfg.Config, d.o, live)
	return nil
}

// showCall prints the timeline of a finished call, unless it was printed while
// it went on.
func (d *desk) showCall(r engine.Record, line []engine.Entry) {
	if mine := d.mine.Load(); mine != nil && *mine == r.From {
		return
	}
	d.m.showCall(r, line)
}

// serve goes by signals and keys until the end.
func (d *desk) serve(ctx context.Context) error {
	var keys <-chan rune
	var resumed <-chan struct{}
	if d.term != nil {
		keys, resumed = d.term.keys, d.term.resumed
		d.help()
	}
	for {
		select {
		case s := <-d.m.Signals:
			if s == syscall.SIGHUP && d.term == nil {
				continue // it outlives the shell that began it
			}
			return nil
		case <-ctx.Done():
			return nil
		case <-resumed:
			d.help()
		case err := <-d.tested:
			d.testsOver(err)
		case key, ok := <-keys:
			if !ok || d.key(ctx, key) {
				return d.failed
			}
		}
	}
}

func (d *desk) help() { d.m.progress("%s", d.m.paint("2", deskHelp)) }

// key does what a hot key means and reports whether that is the end.
func (d *desk) key(ctx context.Context, key rune) (quit bool) {
	if d.choices != nil {
		return d.choose(ctx, key)
	}
	var err error
	switch key {
	case 'c':
		return d.ask(ctx)
	case 't':
		err = d.test()
	case 's':
		d.toggleSteps()
	case 'r':
		err = d.reload(ctx)
	case 'q', 0x04: // Ctrl-D
		return true
	case '\n', '\r':
	default:
		d.help()
	}
	if d.in == nil {
		d.failed = err
		return true
	}
	if err != nil {
		d.m.fail(err)
	}
	return false
}

// choiceKeys are typed to choose from a list.
const choiceKeys = "123456789abcdefghijklmnoprstuvwxyz"

// ask calls the only script there is, or asks which one.
func (d *desk) ask(ctx context.Context) (quit bool) {
	names, err := newClient(d.in.running).scripts()
	switch {
	case err != nil:
		d.m.fail(err)
	case len(names) == 0:
		d.m.fail(fault.New(fault.NotFound, "there is no script to call").WithHint("save one in %s", relative(d.in.ScriptsDir())))
	case len(names) == 1:
		return d.ring(ctx, names[0])
	default:
		d.choices = names[:min(len(names), len(choiceKeys))]
		d.m.progress("call which script?")
		for i, name := range d.choices {
			d.m.progress("  %s %s", d.m.paint("1", choiceKeys[i:i+1]), name)
		}
		d.m.progress("  %s", d.m.paint("2", "Enter is the first, Escape none"))
	}
	return false
}

// choose takes the key that answers ask.
func (d *desk) choose(ctx context.Context, key rune) (quit bool) {
	names := d.choices
	d.choices = nil
	at := strings.IndexRune(choiceKeys, key)
	switch {
	case key == '\n' || key == '\r':
		at = 0
	case at < 0 || at >= len(names):
		d.m.progress("no call")
		return false
	}
	return d.ring(ctx, names[at])
}

// ring calls a script. The first Ctrl-C during the call ends only the call.
func (d *desk) ring(ctx context.Context, script string) (quit bool) {
	c := newClient(d.in.running)
	if err := c.knows(script); err != nil {
		d.m.fail(err)
		return false
	}
	o := callFlags{target: script, data: string(d.in.SampleData(script))}
	p := d.m.newPhone(c, o)
	d.mine.Store(&p.from)
	d.m.progress("%s", d.m.paint("1", "calling "+script))
	if o.data != "" {
		d.m.progress("  %s", d.m.paint("2", "data made up after config.data: "+o.data+"; other data: loopstart call "+script+" --data …"))
	}
	ctx, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case s := <-d.m.Signals:
			quit = s != os.Interrupt
			stop()
		case <-ctx.Done():
		}
	}()
	err := p.talk(ctx, o, d.term.keys)
	stop()
	<-watched
	if err != nil {
		d.m.fail(err)
	} else {
		d.m.callOver(c, p)
	}
	if !quit {
		d.help()
	}
	return quit
}

// callOver shows how a call from the terminal has ended.
func (m *Main) callOver(c *client, p *phone) {
	id, err := p.record()
	var r engine.Record
	if err == nil {
		err = c.get("/v1/calls/"+id, &r)
	}
	if err != nil {
		m.fail(err)
		return
	}
	p.follow()
	m.progress("  %s", m.paint("1", summary(r)))
	m.progress("  %s", m.paint("2", "the whole timeline: loopstart calls show "+id))
}

// test runs the tests of the project in a process of their own.
func (d *desk) test() error {
	if d.tests != nil {
		d.m.progress("the tests are running")
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Internal, "cannot find the own program: %w", err)
	}
	args := []string{"-c", d.configFile()}
	if d.m.colourful() {
		args = append(args, "--color", "always")
	}
	cmd := exec.Command(self, append(args, "test")...)
	cmd.Env, cmd.Stdout, cmd.Stderr = d.m.Environ(), d.m.Stderr, d.m.Stderr
	if err := cmd.Start(); err != nil {
		return fault.New(fault.Unavailable, "the tests cannot be started: %w", err)
	}
	d.tests, d.tested = cmd, make(chan error, 1)
	go func(done chan<- error) { done <- cmd.Wait() }(d.tested)
	return nil
}

func (d *desk) testsOver(err error) {
	d.tests, d.tested = nil, nil
	if err == nil {
		d.m.progress("%s", d.m.paint("32", "the tests have passed"))
		return
	}
	d.m.progress("%s", d.m.paint("31;1", "the tests have not passed: "+err.Error()))
}

// configFile is the configuration that this dev reads.
func (d *desk) configFile() string {
	if d.m.global.config != "" {
		return d.m.global.config
	}
	return filepath.Join(d.o.dir, config.FileName)
}

func (d *desk) toggleSteps() {
	d.steps = !d.steps
	text := "off"
	if d.steps {
		text = "on: the next calls show each await, what it gave, and the variables"
	}
	d.in.TraceSteps(d.steps, d.o.trace.value)
	d.m.progress("step tracing is %s", text)
}

// reload reads the configuration and builds all scripts again. What only a
// start can change makes this instance end and another one begin.
func (d *desk) reload(ctx context.Context) error {
	fresh, err := d.m.loadDev(d.o, d.cfg)
	if err != nil {
		d.m.progress("nothing has changed")
		return err
	}
	if fixedParts(fresh.file) == fixedParts(d.cfg.file) {
		if err := d.in.Refresh(ctx, fresh.Config); err != nil {
			return err
		}
		d.cfg = fresh
		d.m.progress("reloaded: the configuration is read again, all scripts are built again")
		return nil
	}
	d.m.progress("restarting: addresses, ports or folders have changed")
	d.in.Hurry()
	d.in.close()
	d.in = nil
	return d.open(ctx, nil)
}

// close ends what the desk has started.
func (d *desk) close() {
	if d.tests != nil {
		_ = d.tests.Process.Kill() // its own end may come first
		<-d.tested
	}
	if d.in != nil {
		d.in.close()
	}
	if d.term != nil {
		d.term.close()
	}
}

// fixedParts are the keys that hold from start to end, as one text.
func fixedParts(cfg *config.Config) string {
	return fmt.Sprint(cfg.SIP.Listen, cfg.SIP.Advertise, cfg.HTTP.Listen, cfg.Media.Ports, cfg.Scripts.Dir, cfg.Scripts.Isolation, cfg.Store.Dir, cfg.Recordings.Dir)
}
