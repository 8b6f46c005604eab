package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"syscall"

	"github.com/loopstart/loopstart/internal/fault"
)

// job is what the process that makes the load is told.
type job struct {
	Options
	SIP, Web string // of the engine
	Home     string // that marks its processes
	Port     uint16 // of the callers' SIP socket, which bridged calls lead back to
}

// Run measures a program. load makes the command of the process that makes the
// load; it runs [Load] with its standard input and output. progress takes lines
// for people. Everything that was started has ended when Run returns.
func Run(ctx context.Context, o Options, binary string, load func() *exec.Cmd, progress io.Writer) (Result, error) {
	if err := o.Check(); err != nil {
		return Result{}, err
	}
	back := freePort()
	p, err := startProgram(binary, o.project(back.String()))
	if err != nil {
		return Result{}, err
	}
	defer p.stop()
	raw, err := json.Marshal(job{Options: o, SIP: p.sip.String(), Web: p.web.String(), Home: p.dir, Port: back.Port()})
	if err != nil {
		return Result{}, err
	}
	var out bytes.Buffer
	cmd := load()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(raw), &out, progress
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return Result{}, fault.New(fault.Unavailable, "bench: start the load: %w", err)
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	select {
	case err = <-over:
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-over
		return Result{}, fault.New(fault.Unavailable, "bench: interrupted").WithExit(fault.ExitInterrupted)
	case <-p.over:
		_ = cmd.Process.Kill()
		<-over
		return Result{}, fault.New(fault.Unavailable, "bench: the program has ended: %s", p.log.String())
	}
	if err != nil {
		return Result{}, fault.New(fault.Unavailable, "bench: the load has failed: %w", err).WithHint("its last words stand above; what the program has said: %s", p.words())
	}
	var r Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return Result{}, fault.New(fault.Internal, "bench: the load's answer: %w", err)
	}
	return r, nil
}

// project is what the engine serves.
func (o *Options) project(back string) project {
	p := project{scripts: map[string]string{}, codec: o.Codec}
	for _, m := range modes {
		if m.name == o.Mode {
			p.scripts[m.name] = m.script
		}
	}
	if o.Mode == "bridge" {
		srtp := "off"
		if o.SRTP {
			srtp = "required"
		}
		// The callers' own address is no source of this trunk: they are trusted.
		p.rest = fmt.Sprintf("trunks:\n  load: {address: %q, allow: [127.255.255.254/32], options: off, srtp: %s, from: [\"+79990000001\"], destinations: [\"+\"], max_calls: %d, max_out: %d, max_cps: 10000}\n",
			back, srtp, MaxCalls, MaxCalls)
	}
	return p
}

// words is the end of what the program has logged; it has ended or is about to.
func (p *program) words() string {
	p.stop()
	const most = 600
	text := p.log.String()
	return text[max(0, len(text)-most):]
}
