package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// console is a pseudo-terminal with a program on it.
type console struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	cmd    *exec.Cmd
	ended  chan error
	mu     sync.Mutex
	out    bytes.Buffer
	read   int // of out, what was waited for
	done   chan struct{}
}

func openConsole(t *testing.T, dir string, args ...string) *console {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, master: master, slave: slave, ended: make(chan error, 1), done: make(chan struct{})}
	c.cmd = exec.Command(args[0], args[1:]...)
	c.cmd.Dir, c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = dir, slave, slave, slave
	c.cmd.Env = append(os.Environ(), "NO_COLOR=1")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.collect()
	go func() { c.ended <- c.cmd.Wait() }()
	t.Cleanup(c.close)
	return c
}

func (c *console) collect() {
	defer close(c.done)
	buf := make([]byte, 4096)
	for {
		n, err := c.master.Read(buf)
		c.mu.Lock()
		c.out.Write(buf[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *console) close() {
	_ = c.cmd.Process.Kill() // it may have ended
	_ = c.slave.Close()
	_ = c.master.Close()
	<-c.done
	if c.t.Failed() {
		c.t.Logf("the terminal shows\n%s", c.out.String())
	}
}

// until polls a condition; the deadline is for a machine that is very busy.
func (c *console) until(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			c.t.Fatalf("not seen: %s", what)
		}
	}
}

// sees waits for a text behind what was seen before.
func (c *console) sees(text string) {
	c.t.Helper()
	c.until(text, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		at := strings.Index(c.out.String()[c.read:], text)
		if at >= 0 {
			c.read += at + len(text)
		}
		return at >= 0
	})
}

func (c *console) types(keys string) {
	c.t.Helper()
	if _, err := io.WriteString(c.master, keys); err != nil {
		c.t.Fatal(err)
	}
}

func (c *console) sends(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// cooked tells whether the terminal is as shells want it: lines and echo.
func (c *console) cooked() bool {
	t, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	return err == nil && t.Lflag&unix.ICANON != 0 && t.Lflag&unix.ECHO != 0
}

// stopped tells whether the program is stopped by a signal (proc(5), stat).
func (c *console) stopped() bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	_, rest, ok := strings.Cut(string(b), ") ")
	return err == nil && ok && strings.HasPrefix(rest, "T")
}

func (c *console) ends(status int) {
	c.t.Helper()
	select {
	case err := <-c.ended:
		var exit *exec.ExitError
		switch {
		case err == nil && status == 0:
		case errors.As(err, &exit) && exit.ExitCode() == status:
		default:
			c.t.Errorf("ended with %v, want status %d", err, status)
		}
	case <-time.After(60 * time.Second):
		c.t.Fatal("the program does not end")
	}
	if !c.cooked() {
		c.t.Error("the terminal is not as it was")
	}
}

const toneScript = `export const config = { language: "en" };
export default async function (call) {
  await call.answer();
  const choice = await call.menu({ prompt: { play: "tone:440/20s" }, choices: { 1: "one", "#": "hash" }, timeout: "30s", attempts: 1 });
  call.result = { key: choice.key };
}
`

// phoneProject is a folder with scripts of that content.
func phoneProject(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"loopstart.yaml": "sip: {listen: [\"udp://127.0.0.1:0\", \"tcp://127.0.0.1:0\"]}\nhttp: {listen: \"127.0.0.1:0\"}\nproject: {language: en}\n"}
	for name, text := range scripts {
		files["scripts/"+name] = text
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDevHotKeys(t *testing.T) {
	t.Parallel()
	dir := phoneProject(t, map[string]string{"tone.js": toneScript})
	c := openConsole(t, dir, "loopstart", "dev")
	c.sees("keys: c call a script")
	if c.cooked() {
		t.Error("single keys cannot be read")
	}
	c.types("s")
	c.sees("step tracing is on")
	c.types("c")
	c.sees("calling tone")
	c.sees("says      <tone:440/20s>  (tone.js:4:")
	c.types("1")
	c.sees("pressed   1")
	c.sees(`→ { key: "1", value: "one", reason: "key" }`)
	c.sees(`outcome served`)
	c.sees("keys: c call a script")

	c.types("c")
	c.sees("says")
	c.types("h")
	c.sees("hanging up")
	c.sees("ended by caller")
	c.sees("keys: c call a script")

	c.types("r")
	c.sees("reloaded")
	c.types("t")
	c.sees("there are no tests")
	c.sees("the tests have not passed")
	c.types("\x1b[A?") // an arrow is no key
	c.sees("keys: c call a script")

	c.sends(syscall.SIGTSTP)
	c.until("the terminal put back while the program is stopped", c.cooked)
	c.until("the program stopped", c.stopped) // resumed before, it would stop after
	c.sends(syscall.SIGCONT)
	c.until("single keys again", func() bool { return !c.cooked() })
	c.sees("keys: c call a script")
	c.types("q")
	c.ends(0)
}

func TestDevReloads(t *testing.T) {
	t.Parallel()
	dir := phoneProject(t, map[string]string{"tone.js": toneScript})
	path := filepath.Join(dir, "loopstart.yaml")
	config, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	save := func(more string) {
		t.Helper()
		if err := os.WriteFile(path, append(config[:len(config):len(config)], more...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := openConsole(t, dir, "loopstart", "dev")
	c.sees("keys: c call a script")
	save("project: 5\n")
	c.types("r")
	c.sees("nothing has changed")
	c.sees("loopstart: error:")
	save("limits: {calls: 7}\n")
	c.types("r")
	c.sees("reloaded")
	save("media: {ports: 41000-41999}\n")
	c.types("r")
	c.sees("restarting: addresses, ports or folders have changed")
	c.sees("loopstart dev is up")
	c.types("c")
	c.sees("says      <tone:440/20s>")
	c.types("1")
	c.sees("outcome served")
	c.types("tq") // the tests, if they still run, end with it
	c.ends(0)
}

func TestDevAsksWhichScript(t *testing.T) {
	t.Parallel()
	dir := phoneProject(t, map[string]string{"tone.js": toneScript, "other.js": toneScript, "broken.js": "export default async function (call { }"})
	c := openConsole(t, dir, "loopstart", "dev")
	c.sees("keys: c call a script")
	c.types("c")
	c.sees("1 broken")
	c.sees("2 other")
	c.sees("3 tone")
	c.types("\x1b")
	c.sees("no call")
	c.types("c1")
	c.sees("script broken is broken")
	c.types("c3")
	c.sees("calling tone")
	c.sees("says")
	c.sends(syscall.SIGTERM) // ends the call and dev
	c.sees("outcome")
	c.ends(0)
}

func TestCallAtATerminal(t *testing.T) {
	t.Parallel()
	dir := phoneProject(t, map[string]string{"tone.js": toneScript})
	c := openConsole(t, dir, "loopstart", "call", "tone", "--trace")
	c.sees("keys: 0-9 * # press")
	c.sees("says      <tone:440/20s>")
	c.types("x") // explains the keys
	c.sees("keys: 0-9 * # press")
	c.types("#")
	c.sees("pressed   #")
	c.sees("const choice = await call.menu({")
	c.sees(`digit     # (`) // the timeline, as without a terminal
	c.sees("outcome served")
	c.ends(0)
}

func TestCallThatIsRefusedAtATerminal(t *testing.T) {
	t.Parallel()
	dir := phoneProject(t, map[string]string{"busy.js": "export default async function (call) { await call.reject(486, \"Busy\"); }"})
	c := openConsole(t, dir, "loopstart", "call", "busy", "--data", "{}")
	c.types("1#") // nobody is there to hear it
	c.sees("call      refused: 486")
	c.sees("not answered: 486")
	c.ends(0) // by the script: served
}

// An instance that does not trust this machine's address is told from a script
// that refuses the call.
func TestCallOfAStranger(t *testing.T) {
	t.Parallel()
	dir := phoneProject(t, map[string]string{"tone.js": toneScript})
	config := "sip: {listen: [udp://127.0.0.1:0], trust: [192.0.2.1/32]}\nhttp: {listen: \"127.0.0.1:0\"}\n"
	if err := os.WriteFile(filepath.Join(dir, "loopstart.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	c := openConsole(t, dir, "loopstart", "call", "tone")
	c.sees("refuses calls from this machine: 403")
	c.sees("add 127.0.0.1 to sip.trust")
	c.ends(1)
}

// The sound of a call goes to the first player that works.
func TestCallIsHeard(t *testing.T) {
	t.Parallel()
	dir := phoneProject(t, map[string]string{"tone.js": strings.Replace(toneScript, "20s", "1s", 1)})
	bin, sound := t.TempDir(), filepath.Join(dir, "sound")
	for name, text := range map[string]string{"paplay": "exit 1", "pw-cat": "exit 1", "aplay": "exec cat >" + sound} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := openConsole(t, dir, "env", "PATH="+bin+":"+os.Getenv("PATH"), "loopstart", "call", "tone")
	c.sees("says      <tone:440/1s>")
	c.until("the sound of the tone", func() bool {
		raw, err := os.ReadFile(sound)
		return err == nil && loudest(raw) > 1000
	})
	c.types("1")
	c.sees("outcome served")
	c.ends(0)
}

// loudest is the greatest sample of 16 bit audio.
func loudest(raw []byte) (most int16) {
	for ; len(raw) > 1; raw = raw[2:] {
		most = max(most, int16(binary.LittleEndian.Uint16(raw)))
	}
	return most
}

// panics is a program with a goroutine that fails while it has the terminal.
func panics() {
	m := &Main{Stdin: os.Stdin, Stderr: os.Stderr, Getenv: os.Getenv}
	t, ok := m.openTerminal()
	if !ok {
		os.Exit(1)
	}
	fmt.Println("ready")
	<-t.keys
	go func() {
		defer t.rescue()
		panic("a defect")
	}()
	select {}
}

func TestPanicPutsTheTerminalBack(t *testing.T) {
	t.Parallel()
	c := openConsole(t, t.TempDir(), "loopstart-panics")
	c.sees("ready")
	c.types("x")
	c.sees("a defect")
	c.ends(2)
}
