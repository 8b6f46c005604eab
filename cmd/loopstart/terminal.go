package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// terminal is the user's terminal while single keys are read from it: no echo
// and no waiting for Enter. Signals by key (Ctrl-C, Ctrl-Z) and the handling of
// output stay as they were, so that a line is still ended by "\n".
//
// The terminal is put back by close, before the program stops at Ctrl-Z or
// dies of Ctrl-\, and when a goroutine that defers rescue panics. When the
// program comes to the foreground again the keys work again.
//
// # Concurrency
//
// A goroutine reads keys, another one takes signals; both end with close. All
// methods may be called from any goroutine.
type terminal struct {
	fd      int
	wake    [2]*os.File // a pipe; closing its end for writing ends the reader
	keys    chan rune
	resumed chan struct{} // the program is back in the foreground
	signals chan os.Signal
	running sync.WaitGroup

	mu     sync.Mutex
	cooked unix.Termios // as it was found
	raw    bool
	closed bool
}

// maxTypedAhead is how many keys may wait; the ones after them are dropped.
const maxTypedAhead = 64

// openTerminal takes the terminal of stdin. ok is false where there is none,
// or none to see the answer on: then there are no hot keys.
func (m *Main) openTerminal() (t *terminal, ok bool) {
	in, isFile := m.Stdin.(*os.File)
	if !isFile || !isTerminal(in) || !isTerminal(m.Stderr) {
		return nil, false
	}
	t = &terminal{fd: int(in.Fd()), keys: make(chan rune, maxTypedAhead), resumed: make(chan struct{}, 1), signals: make(chan os.Signal, 4)}
	was, err := unix.IoctlGetTermios(t.fd, unix.TCGETS)
	if err != nil {
		return nil, false
	}
	t.cooked = *was
	if t.wake[0], t.wake[1], err = os.Pipe(); err != nil {
		return nil, false
	}
	signal.Notify(t.signals, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGQUIT)
	t.enter()
	t.running.Go(t.read)
	t.running.Go(t.obey)
	return t, true
}

// enter makes single keys readable, if the program is in the foreground: one
// in the background would be stopped for trying.
func (t *terminal) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.raw || !t.foreground() {
		return
	}
	raw := t.cooked
	raw.Lflag &^= unix.ICANON | unix.ECHO
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	t.raw = unix.IoctlSetTermios(t.fd, unix.TCSETS, &raw) == nil
}

// leave puts the terminal back as it was found.
func (t *terminal) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.raw {
		return
	}
	t.raw = false
	if t.foreground() {
		_ = unix.IoctlSetTermios(t.fd, unix.TCSETS, &t.cooked) // it may be gone
	}
}

// foreground tells whether the terminal is this program's at the moment.
func (t *terminal) foreground() bool {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// close puts the terminal back and ends the goroutines.
func (t *terminal) close() {
	t.leave()
	t.mu.Lock()
	first := !t.closed
	t.closed = true
	t.mu.Unlock()
	if !first {
		return
	}
	signal.Stop(t.signals)
	close(t.signals)
	_ = t.wake[1].Close()
	t.running.Wait()
	_ = t.wake[0].Close()
}

// rescue is deferred by goroutines whose panic ends the program.
func (t *terminal) rescue() {
	if x := recover(); x != nil {
		t.leave()
		panic(x)
	}
}

// obey takes the signals that have to do with the terminal.
func (t *terminal) obey() {
	defer t.rescue()
	for s := range t.signals {
		switch s {
		case syscall.SIGTSTP:
			t.leave()
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
		case syscall.SIGCONT:
			t.enter()
			select {
			case t.resumed <- struct{}{}:
			default: // one notice is enough
			}
		case syscall.SIGQUIT: // Go's own: all goroutines, then the end
			t.leave()
			signal.Reset(syscall.SIGQUIT)
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGQUIT)
		}
	}
}

// backgroundPoll is how often a program in the background, in ms, looks
// whether it may read again.
const backgroundPoll = 300

// read passes keys on until close, or until the terminal has gone; then keys is
// closed.
func (t *terminal) read() {
	defer t.rescue()
	defer close(t.keys)
	buf, rest := make([]byte, 128), 0
	wake := unix.PollFd{Fd: int32(t.wake[0].Fd()), Events: unix.POLLIN}
	for {
		fds, wait := []unix.PollFd{wake, {Fd: int32(t.fd), Events: unix.POLLIN}}, -1
		switch group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); {
		case err != nil:
			return // the terminal has gone
		case group != unix.Getpgrp():
			fds, wait = fds[:1], backgroundPoll
		}
		if _, err := unix.Poll(fds, wait); err != nil && err != unix.EINTR {
			return
		}
		if fds[0].Revents != 0 {
			return
		}
		if len(fds) < 2 || fds[1].Revents == 0 {
			continue
		}
		if fds[1].Revents&unix.POLLIN == 0 {
			return // the terminal has gone
		}
		if !t.foreground() {
			continue
		}
		n, err := unix.Read(t.fd, buf[rest:])
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil || n == 0:
			return
		}
		rest = copy(buf, t.pass(buf[:rest+n]))
	}
}

// pass hands the keys in b on and returns what is not a whole character yet.
func (t *terminal) pass(b []byte) []byte {
	for len(b) > 0 {
		if n := escapeSequence(b); n > 0 {
			b = b[n:]
			continue
		}
		if !utf8.FullRune(b) {
			return b
		}
		key, n := utf8.DecodeRune(b)
		b = b[n:]
		select {
		case t.keys <- key:
		default:
		}
	}
	return nil
}

// escapeSequence is the length of what an arrow or a function key sends, 0 for
// anything else. Escape alone is a key.
func escapeSequence(b []byte) int {
	if len(b) < 2 || b[0] != 0x1b || b[1] != '[' && b[1] != 'O' {
		return 0
	}
	for i := 2; i < len(b); i++ {
		if b[i] >= 0x40 && b[i] <= 0x7e {
			return i + 1
		}
	}
	return len(b)
}
