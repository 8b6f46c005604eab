package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxStderr = 2 << 10
	childNice = 10          // below the process that paces audio
	waitDelay = time.Second // for a pipe that a child of the child still holds
)

// run starts a child with text on its standard input and returns what it
// prints. The child has its own process group, which is killed when ctx ends
// or it prints too much, and only the environment an engine needs.
func run(ctx context.Context, argv []string, text string, env ...string) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &limited{max: MaxOutput, over: func() {
		cancel(fmt.Errorf("more than %d MiB of output", MaxOutput>>20))
	}}
	errs := &limited{max: maxStderr, over: func() {}}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(text)
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.Env = append(childEnv(), env...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = waitDelay
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, cmd.Process.Pid, childNice)
	err := cmd.Wait()
	if err != nil { // what it has started goes with it, whether it hangs or has failed
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && errs.buf.Len() > 0:
		return nil, fmt.Errorf("%w: %s", err, oneLine(errs.buf.String()))
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return nil, err
	}
	return out.buf.Bytes(), nil
}

// childEnv keeps secrets of our environment from engines.
func childEnv() []string {
	env := []string{"LC_ALL=C.UTF-8"}
	for _, name := range []string{"PATH", "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "ESPEAK_DATA_PATH", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// limited keeps the first max bytes and reports when there are more.
type limited struct {
	buf  bytes.Buffer
	max  int
	over func()
}

// Write never fails: a child that is not read from would hang, not end.
func (l *limited) Write(p []byte) (int, error) {
	room := l.max - l.buf.Len()
	if len(p) > room {
		l.buf.Write(p[:room])
		l.over()
		return len(p), nil
	}
	return l.buf.Write(p)
}

// oneLine makes an engine's complaint fit for an error.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
