package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The scripts of the load. play says two minutes of something, quiet waits,
// quick is a short call, ring answers with its first line.
var scripts = map[string]string{
	"play":  `export default async (call) => { await call.answer(); await call.play("tone:440/2m"); }`,
	"quiet": `export default async (call) => { await call.answer(); await new Promise(r => setTimeout(r, 600000)); }`,
	"quick": `export default async (call) => { await call.answer(); await call.play("tone:440/200ms"); }`,
	"ring":  `export default async (call) => { await call.ring(); await call.answer(); await call.play("tone:440/200ms"); }`,
}

// program is the running loopstart.
type program struct {
	dir  string
	sip  netip.AddrPort
	cmd  *exec.Cmd
	log  bytes.Buffer
	over chan struct{}
}

func startProgram(binary string) (*program, error) {
	dir, err := os.MkdirTemp("", "loopstart-bench-")
	if err != nil {
		return nil, err
	}
	p := &program{dir: dir, sip: freePort(), over: make(chan struct{})}
	web := freePort()
	config := fmt.Sprintf("sip: {listen: [\"udp://%s\"]}\nmedia: {ports: 10000-19999}\nhttp: {listen: \"%s\", tokens: [b]}\nlimits: {calls: 5000, cps: 100000}\nlog: {level: warn}\n", p.sip, web)
	if err := os.WriteFile(filepath.Join(dir, "loopstart.yaml"), []byte(config), 0o644); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o755); err != nil {
		return nil, err
	}
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, "scripts", name+".ts"), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	p.cmd = exec.Command(binary, "run", "-c", filepath.Join(dir, "loopstart.yaml"))
	p.cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	p.cmd.Stderr = &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.over) }()
	return p, p.ready(web)
}

// ready waits until the program answers and its workers have started.
func (p *program) ready(web netip.AddrPort) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", web.String()); err == nil {
			c.Close()
			time.Sleep(2 * time.Second)
			return nil
		}
	}
	return fmt.Errorf("bench: the program does not start: %s", p.log.String())
}

func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.over:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.over
	}
	os.RemoveAll(p.dir)
}

func freePort() netip.AddrPort {
	l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}
	}
	defer l.Close()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), l.LocalAddr().(*net.UDPAddr).AddrPort().Port())
}

// processes are the program and its children: all that have its HOME.
func (p *program) processes() (out []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		env, err := os.ReadFile(dir + "/environ")
		if err == nil && bytes.Contains(env, []byte("HOME="+p.dir+"\x00")) {
			out = append(out, dir)
		}
	}
	return out
}

// cpu is the processor time of all processes so far, to the nanosecond.
func (p *program) cpu() (sum time.Duration) {
	for _, dir := range p.processes() {
		tasks, _ := filepath.Glob(dir + "/task/*/schedstat")
		for _, task := range tasks {
			raw, err := os.ReadFile(task)
			if err != nil {
				continue
			}
			ns, _, _ := strings.Cut(string(raw), " ")
			n, _ := strconv.ParseInt(ns, 10, 64)
			sum += time.Duration(n)
		}
	}
	return sum
}

// pss is the proportional set size of all processes in kB.
func (p *program) pss() (sum int) {
	for _, dir := range p.processes() {
		raw, err := os.ReadFile(dir + "/smaps_rollup")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(raw)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				n, _ := strconv.Atoi(f[1])
				sum += n
			}
		}
	}
	return sum
}
