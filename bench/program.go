package bench

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

	"github.com/loopstart/loopstart/internal/fault"
)

// The scripts of the load. play says two minutes of something, quiet waits,
// quick is a short call, ring answers with its first line.
var reportScripts = map[string]string{
	"play":  `export default async (call) => { await call.answer(); await call.play("tone:440/2m"); }`,
	"quiet": `export default async (call) => { await call.answer(); await new Promise(r => setTimeout(r, 600000)); }`,
	"quick": `export default async (call) => { await call.answer(); await call.play("tone:440/200ms"); }`,
	"ring":  `export default async (call) => { await call.ring(); await call.answer(); await call.play("tone:440/200ms"); }`,
}

// program is the running loopstart.
type program struct {
	dir  string
	sip  netip.AddrPort
	web  netip.AddrPort // API
	cmd  *exec.Cmd
	log  bytes.Buffer
	over chan struct{}
}

// project is what a program is started with.
type project struct {
	scripts map[string]string
	codec   string
	rest    string // of loopstart.yaml
}

func startProgram(binary string, o project) (*program, error) {
	dir, err := os.MkdirTemp("", "loopstart-bench-")
	if err != nil {
		return nil, err
	}
	p := &program{dir: dir, sip: freePort(), web: freePort(), over: make(chan struct{})}
	if err := p.write(o); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	p.cmd = exec.Command(binary, "run", "-c", filepath.Join(dir, "loopstart.yaml"))
	p.cmd.Dir = dir
	p.cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	p.cmd.Stderr = &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, fault.New(fault.Unavailable, "bench: start %s: %w", binary, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.over) }()
	if err := p.ready(); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// write makes the project's files.
func (p *program) write(o project) error {
	codec := ""
	if o.codec != "" {
		codec = ", codecs: [" + o.codec + "]"
	}
	text := fmt.Sprintf("sip: {listen: [\"udp://%s\"]}\nmedia: {ports: 10000-29999%s}\nhttp: {listen: \"%s\", tokens: [%s]}\nlimits: {calls: %d, cps: 100000}\nlog: {level: warn}\n%s",
		p.sip, codec, p.web, webToken, MaxCalls+100, o.rest)
	if err := os.WriteFile(filepath.Join(p.dir, "loopstart.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(p.dir, "scripts"), 0o755); err != nil {
		return err
	}
	for name, text := range o.scripts {
		if err := os.WriteFile(filepath.Join(p.dir, "scripts", name+".ts"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// webToken opens the program's API to us. It listens on loopback, for as long
// as the measurement lasts.
const webToken = "bench"

// ready waits until the program answers and its workers have started.
func (p *program) ready() error {
	for end := now().Add(20 * time.Second); now().Before(end); pause(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", p.web.String()); err == nil {
			c.Close()
			pause(500 * time.Millisecond)
			return nil
		}
		select {
		case <-p.over:
			return fault.New(fault.Unavailable, "bench: the program has ended: %s", p.log.String())
		default:
		}
	}
	return fault.New(fault.Unavailable, "bench: the program does not start: %s", p.log.String())
}

func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.over:
	case <-after(10 * time.Second):
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
func (p *program) processes() []string { return processesOf(p.dir) }

func processesOf(home string) (out []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		env, err := os.ReadFile(dir + "/environ")
		if err == nil && bytes.Contains(env, []byte("HOME="+home+"\x00")) {
			out = append(out, dir)
		}
	}
	return out
}

// cpu is the processor time of all processes so far, to the nanosecond.
func (p *program) cpu() time.Duration { return cpuOf(p.dir) }

func cpuOf(home string) (sum time.Duration) {
	for _, dir := range processesOf(home) {
		sum += cpuOfProcess(dir)
	}
	return sum
}

// mainCPU is cpu of the main process alone.
func (p *program) mainCPU() time.Duration {
	return cpuOfProcess("/proc/" + strconv.Itoa(p.cmd.Process.Pid))
}

// cpuOfProcess is the processor time of the threads of one process, which is
// named by its folder below /proc.
func cpuOfProcess(dir string) (sum time.Duration) {
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
	return sum
}

// pss is the proportional set size of all processes in kB.
func (p *program) pss() int { return pssOf(p.dir) }

func pssOf(home string) (sum int) {
	for _, dir := range processesOf(home) {
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
