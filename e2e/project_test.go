package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// files are the scripts of a project by name, relative to scripts/.
type files map[string]string

// project is a project folder, and the program that serves it.
type project struct {
	t     testing.TB
	dir   string
	sip   netip.AddrPort
	http  netip.AddrPort
	ports string

	netns string // the namespace that it runs in, "": the test's own
	dies  bool   // workers may: their traces are in the log

	cmd  *exec.Cmd
	log  *logBuffer
	over chan struct{} // closed when the process has ended
	code int
}

const token = "e2e-token"

// logBuffer is the process's stderr.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// in is the project with another test to fail: a subtest, or one run of a
// measurement.
func (p *project) in(t testing.TB) *project {
	c := *p
	c.t = t
	return &c
}

// conf is what a project's loopstart.yaml has besides its listeners: keys of
// sip and media in flow style, and whole sections.
type conf struct{ ip, sip, media, rest string }

// setup makes a project folder.
func setup(t testing.TB, scripts files, c conf) *project {
	t.Helper()
	if c.ip == "" {
		c.ip = "127.0.0.1"
	}
	p := &project{t: t, dir: t.TempDir(), sip: freePort(t, c.ip), http: freePort(t, "127.0.0.1"), ports: freeRange()}
	p.config(c)
	for name, text := range scripts {
		p.save(name, text)
	}
	return p
}

// config writes loopstart.yaml.
func (p *project) config(c conf) {
	p.t.Helper()
	more := func(keys string) string {
		if keys == "" {
			return ""
		}
		return ", " + keys
	}
	p.write("loopstart.yaml", fmt.Sprintf("sip: {listen: [\"udp://%[1]s\", \"tcp://%[1]s\"]%[2]s}\nmedia: {ports: %[3]s%[4]s}\nhttp: {listen: \"%[5]s\", tokens: [%[6]s]}\n%[7]s\n",
		p.sip, more(c.sip), p.ports, more(c.media), p.http, token, c.rest))
}

func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// save writes a script.
func (p *project) save(name, text string) {
	p.t.Helper()
	p.write(filepath.Join("scripts", name), text)
}

// freePort is an address whose port is free for UDP and TCP and is given to
// nobody else: below the ephemeral ports, each number once.
func freePort(t testing.TB, ip string) netip.AddrPort {
	t.Helper()
	rangeLock.Lock()
	defer rangeLock.Unlock()
	for range 1000 {
		if portNext++; portNext > 32700 {
			portNext = 29400
		}
		addr := netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(portNext))
		u, err := net.ListenPacket("udp", addr.String())
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr.String())
		u.Close()
		if err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return netip.AddrPort{}
}

var (
	rangeLock sync.Mutex
	rangeNext = 12000 + os.Getpid()%8*1000
	portNext  = 29400 + os.Getpid()%3000
)

// freeRange gives every project its own RTP ports, below the ephemeral ones.
// Ranges that somebody else uses are passed over.
func freeRange() string {
	rangeLock.Lock()
	defer rangeLock.Unlock()
	for range 200 {
		from := rangeNext
		if rangeNext += rangeSize; rangeNext > 29000 {
			rangeNext = 12000
		}
		if rangeIsFree(from) {
			return fmt.Sprintf("%d-%d", from, from+rangeSize-1)
		}
	}
	return "12000-12299"
}

const rangeSize = 300

// rangeIsFree tries the first ports and some of the others, on all addresses.
func rangeIsFree(from int) bool {
	for i := 0; i < rangeSize; i++ {
		if i > 16 && i%20 != 0 {
			continue
		}
		c, err := net.ListenPacket("udp", fmt.Sprintf(":%d", from+i))
		if err != nil {
			return false
		}
		c.Close()
	}
	return true
}

// serve starts the program and waits until it is ready.
func serve(t testing.TB, scripts files, c conf) *project {
	t.Helper()
	p := setup(t, scripts, c)
	p.start()
	return p
}

func (p *project) start() {
	p.t.Helper()
	p.launch()
	deadline := phone.Within(testLimit)
	for !strings.Contains(p.log.String(), `"msg":"ready"`) {
		select {
		case <-p.over:
			p.t.Fatalf("loopstart ended with status %d:\n%s", p.code, p.log)
		case <-time.After(20 * time.Millisecond):
		}
		if deadline.Over() {
			p.t.Fatalf("loopstart is not ready:\n%s", p.log)
		}
	}
}

// launch starts the process and does not wait.
func (p *project) launch() {
	p.t.Helper()
	p.log, p.over = &logBuffer{}, make(chan struct{})
	command := []string{binary, "run", "-c", filepath.Join(p.dir, "loopstart.yaml")}
	if p.netns != "" {
		command = append([]string{"ip", "netns", "exec", p.netns}, command...)
	}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Dir, p.cmd.Stderr, p.cmd.Stdout = p.dir, p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// HOME marks all processes of this project: children inherit it.
	p.cmd.Env = []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH"), "GOTRACEBACK=all"}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	over, cmd := p.over, p.cmd
	go func() {
		_ = cmd.Wait()
		p.code = cmd.ProcessState.ExitCode()
		close(over)
	}()
	p.t.Cleanup(p.end)
}

// end stops the process, and fails the test when one survives or has panicked.
func (p *project) end() {
	select {
	case <-p.over:
	default:
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		if !phone.Within(20 * time.Second).Await(p.over) {
			_ = p.cmd.Process.Signal(syscall.SIGQUIT)
			time.Sleep(300 * time.Millisecond)
			_ = p.cmd.Process.Kill()
			p.t.Errorf("loopstart does not end:\n%s", p.log)
		}
	}
	deadline := phone.Within(5 * time.Second)
	for len(p.processes()) > 0 && !deadline.Over() {
		time.Sleep(20 * time.Millisecond)
	}
	for _, pid := range p.processes() {
		p.t.Errorf("process %d survives", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	text := p.log.String()
	for _, bad := range []string{"panic", "goroutine ", "DATA RACE"} {
		if strings.Contains(text, bad) && !p.dies {
			p.t.Errorf("the log has %q", bad)
		}
	}
	if p.t.Failed() {
		p.t.Logf("log of %s:\n%s", p.dir, tail(text, 60))
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// processes are the process ids of the project, by the HOME they run with.
func (p *project) processes() (out []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range dirs {
		env, err := os.ReadFile(path)
		if err == nil && slices.Contains(strings.Split(string(env), "\x00"), "HOME="+p.dir) {
			var pid int
			if _, err := fmt.Sscanf(path, "/proc/%d/environ", &pid); err == nil {
				out = append(out, pid)
			}
		}
	}
	return out
}

// workers are the process ids of the script workers.
func (p *project) workers() (out []int) {
	for _, pid := range p.processes() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(line), "script-worker") {
			out = append(out, pid)
		}
	}
	return out
}

// exit waits for the process and returns its status.
func (p *project) exit(d time.Duration) int {
	p.t.Helper()
	if !phone.Within(d).Await(p.over) {
		p.t.Fatalf("loopstart goes on after %s:\n%s", d, tail(p.log.String(), 20))
		return -1
	}
	return p.code
}

// uri is the SIP address of a script or number.
func (p *project) uri(user string) string { return fmt.Sprintf("sip:%s@%s", user, p.sip) }

// api makes a request and decodes the JSON answer into out.
func (p *project) api(method, path string, body any, out any, headers ...string) int {
	p.t.Helper()
	var r io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, "http://"+p.http.String()+path, r)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: testLimit}
	res, err := client.Do(req)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if out == nil {
		return res.StatusCode
	}
	if b, ok := out.(*[]byte); ok {
		*b = raw
	} else if err := json.Unmarshal(raw, out); err != nil {
		p.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
	}
	return res.StatusCode
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, d time.Duration, ok func() bool) {
	t.Helper()
	deadline := phone.Within(d)
	for !ok() {
		if deadline.Over() {
			t.Fatalf("not within %s: %s", d, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
