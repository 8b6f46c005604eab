package supervisor

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// Limits of a worker's stderr.
const (
	// MaxStderrLine is the length at which a line is cut.
	MaxStderrLine = 4 << 10
	// MaxStderrLines is how many lines of one worker are logged; a crash dump
	// can be very long.
	MaxStderrLines = 200
)

// exitPatience is how long a worker whose pipe has ended may take to exit.
const exitPatience = time.Second

// process is the operating system's side of a worker.
type process struct {
	cmd    *exec.Cmd
	log    *slog.Logger
	clock  clock.Clock
	stderr chan struct{} // closed when stderr has been read to its end

	mu      sync.Mutex
	reaped  bool
	fatal   string // the first line that tells why it died
	crashed uint64 // the goroutine that it died in, by the dump

	board *message.Board // nil if there is none
}

// startProcess runs cmd as a worker in a process group of its own, in our
// session: with a session of its own the kernel's autogroups would undo its
// niceness.
func startProcess(cmd *exec.Cmd, log *slog.Logger, clk clock.Clock) (*process, message.Conn, error) {
	pipes, err := openPipes(3)
	if err != nil {
		return nil, nil, fault.New(fault.Unavailable, "supervisor: pipes for a worker: %w", err)
	}
	in, out, errs := pipes[0], pipes[1], pipes[2]
	board := giveBoard(cmd, log)
	if board != nil {
		defer closeAll(cmd.ExtraFiles[len(cmd.ExtraFiles)-1])
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in.read, out.write, errs.write
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	err = cmd.Start()
	closeAll(in.read, out.write, errs.write)
	if err != nil {
		closeAll(in.write, out.read, errs.read)
		return nil, nil, fault.New(fault.Unavailable, "supervisor: start a worker: %w", err)
	}
	p := &process{cmd: cmd, log: log, clock: clk, board: board, stderr: make(chan struct{})}
	go p.readStderr(errs.read)
	log.Debug("script worker started", "pid", cmd.Process.Pid)
	return p, message.NewStream(out.read, in.write, message.Fail), nil
}

// giveBoard shares a page with the worker; without one a crash has no culprit.
func giveBoard(cmd *exec.Cmd, log *slog.Logger) *message.Board {
	board, file, err := message.NewBoard()
	if err != nil {
		log.Warn("script worker without a board", "error", err)
		return nil
	}
	const firstExtra = 3 // after the standard descriptors
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(slices.Clone(cmd.Env), message.BoardVariable+"="+strconv.Itoa(firstExtra+len(cmd.ExtraFiles)))
	cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	return board
}

type pipe struct{ read, write *os.File }

func openPipes(n int) ([]pipe, error) {
	pipes := make([]pipe, 0, n)
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			for _, p := range pipes {
				closeAll(p.read, p.write)
			}
			return nil, err
		}
		pipes = append(pipes, pipe{r, w})
	}
	return pipes, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // an unused end of a pipe has nothing to lose
	}
}

// kill ends the whole process group.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return // the number may be somebody else's by now
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		p.log.Error("killing a script worker", "pid", p.cmd.Process.Pid, "error", err)
	}
}

// reap waits for the process, which has closed its pipe or was killed, and
// returns in words how it ended; "" is a clean exit.
func (p *process) reap() string {
	timer := p.clock.AfterFunc(exitPatience, p.kill)
	err := p.cmd.Wait()
	timer.Stop()
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	<-p.stderr
	if err == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fatal != "" {
		return p.fatal
	}
	return err.Error()
}

// readStderr logs what the worker prints, line by line.
func (p *process) readStderr(r *os.File) {
	defer close(p.stderr)
	defer r.Close()
	lines := bufio.NewReaderSize(r, MaxStderrLine)
	for n := 0; ; n++ {
		line, cut, err := lines.ReadLine()
		text := string(line)    // the next read overwrites it
		for cut && err == nil { // the rest of a long line
			_, cut, err = lines.ReadLine()
		}
		if text != "" {
			p.printed(n, text)
		}
		if err != nil {
			return
		}
	}
}

func (p *process) printed(n int, line string) {
	p.mu.Lock()
	if p.fatal == "" && (strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "panic: ")) {
		p.fatal = line
	}
	if p.fatal != "" && p.crashed == 0 {
		_, _ = fmt.Sscanf(line, "goroutine %d ", &p.crashed) // any other line leaves it
	}
	p.mu.Unlock()
	switch {
	case n < MaxStderrLines:
		p.log.Warn("script worker", "stderr", line)
	case n == MaxStderrLines:
		p.log.Warn("script worker printed more lines", "logged", MaxStderrLines)
	}
}

// suspect is the VM that was running when the process died, 0 if none was.
func (p *process) suspect() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.board.Suspect(p.crashed)
}

// memory is the resident size in bytes, 0 if it cannot be read.
func (p *process) memory() int64 {
	fields := strings.Fields(p.proc("statm"))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// clockTick is the unit of times in /proc, which Linux fixes at 100 a second.
const clockTick = 10 * time.Millisecond

// cpu is the CPU time that the process has used, 0 if it cannot be read.
func (p *process) cpu() time.Duration {
	// Fields 14 and 15 of proc(5) stat, after the name in parentheses.
	_, rest, _ := strings.Cut(p.proc("stat"), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var total time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		total += time.Duration(ticks) * clockTick
	}
	return total
}

func (p *process) proc(name string) string {
	f, err := os.Open("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/" + name)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return ""
	}
	return string(text)
}
