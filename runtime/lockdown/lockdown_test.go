package lockdown

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	_ "time/tzdata"

	"golang.org/x/sys/unix"
)

// The test binary is also the attacker: with this variable set it locks itself
// down as the value says and tells what it could still do.
const attackVariable = "LOOPSTART_TEST_ATTACK"

func TestMain(m *testing.M) {
	if kind := os.Getenv(attackVariable); kind != "" {
		attack(kind)
		return
	}
	os.Exit(m.Run())
}

// attackReport is what each attempt came to: "ok" or the error number's name.
type attackReport struct {
	Missing  []string
	Threads  int // that it may have
	Attempts map[string]string
}

func attack(kind string) {
	folder := os.Getenv("LOOPSTART_TEST_FOLDER")
	idle := make(chan struct{})
	for range 8 { // threads that are there before the filter must get it too
		go func() { goruntime.LockOSThread(); <-idle }()
	}
	p := Worker()
	if kind == "build" {
		p = Build([]string{folder + "/allowed"})
	}
	r := attackReport{Missing: Apply(p).Missing, Attempts: map[string]string{}}
	r.Threads = debug.SetMaxThreads(MaxThreads)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, try := range attempts(folder) {
		wg.Go(func() {
			goruntime.LockOSThread() // on many threads, old and new ones
			err := try()
			mu.Lock()
			defer mu.Unlock()
			r.Attempts[name] = outcome(err)
		})
	}
	wg.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		os.Exit(3)
	}
}

func outcome(err error) string {
	var number syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &number):
		return unix.ErrnoName(number)
	}
	return err.Error()
}

func attempts(folder string) map[string]func() error {
	return map[string]func() error{
		"read a file":         func() error { return opens("/etc/passwd", unix.O_RDONLY) },
		"read own memory":     func() error { return opens("/proc/self/mem", unix.O_RDWR) },
		"read allowed":        func() error { return opens(folder+"/allowed/a.ts", unix.O_RDONLY) },
		"read beside":         func() error { return opens(folder+"/beside.ts", unix.O_RDONLY) },
		"list allowed":        func() error { _, err := os.ReadDir(folder + "/allowed"); return err },
		"write a file":        func() error { return opens(folder+"/allowed/new", unix.O_WRONLY|unix.O_CREAT) },
		"truncate a file":     func() error { return opens(folder+"/allowed/a.ts", unix.O_RDONLY|unix.O_TRUNC) },
		"delete a file":       func() error { return unix.Unlink(folder + "/allowed/a.ts") },
		"TCP socket":          func() error { return socket(unix.AF_INET, unix.SOCK_STREAM) },
		"UDP socket":          func() error { return socket(unix.AF_INET6, unix.SOCK_DGRAM) },
		"unix socket":         func() error { return socket(unix.AF_UNIX, unix.SOCK_STREAM) },
		"netlink":             func() error { return socket(unix.AF_NETLINK, unix.SOCK_RAW) },
		"start a program":     func() error { return exec.Command("/bin/true").Run() },
		"become a program":    func() error { return unix.Exec("/bin/true", []string{"true"}, nil) },
		"fork":                func() error { return raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0) },
		"clone3":              func() error { return raw(unix.SYS_CLONE3, 0, 0) },
		"trace the parent":    func() error { return raw(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid())) },
		"read the parent":     func() error { return raw(unix.SYS_PROCESS_VM_READV, uintptr(os.Getppid()), 0) },
		"kill the parent":     func() error { return unix.Kill(os.Getppid(), 0) },
		"signal the parent":   func() error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) },
		"executable memory":   executable,
		"limits of parent":    func() error { return unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, nil, &unix.Rlimit{}) },
		"raise a limit":       func() error { return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 30, Max: 1 << 30}) },
		"mount":               func() error { return unix.Mount("none", "/mnt", "tmpfs", 0, "") },
		"load BPF":            func() error { return raw(unix.SYS_BPF, 0, 0) },
		"io_uring":            func() error { return raw(unix.SYS_IO_URING_SETUP, 1, 0) },
		"keep threads coming": func() error { return threads() },
		"time zone":           func() error { _, err := time.LoadLocation("Asia/Almaty"); return err },
		"garbage collection":  func() error { goruntime.GC(); return nil },
		"clock":               func() error { time.Sleep(time.Millisecond); return nil },
	}
}

func opens(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func socket(family, kind int) error {
	fd, err := unix.Socket(family, kind, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func raw(number, a, b uintptr) error {
	if _, _, errno := unix.RawSyscall(number, a, b, 0); errno != 0 {
		return errno
	}
	return nil
}

func executable() error {
	_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	return err
}

func threads() error {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { goruntime.LockOSThread(); time.Sleep(time.Millisecond) })
	}
	wg.Wait()
	return nil
}

func runAttack(t *testing.T, kind string) attackReport {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"allowed/a.ts": "a", "beside.ts": "b"} {
		if err := errors.Join(os.MkdirAll(folder+"/allowed", 0o755), os.WriteFile(folder+"/"+name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), attackVariable+"="+kind, "LOOPSTART_TEST_FOLDER="+folder)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var r attackReport
	if err != nil || json.Unmarshal(out, &r) != nil {
		t.Fatalf("%v: %s %s", err, out, errs.String())
	}
	if _, err := os.Stat(folder + "/allowed/a.ts"); err != nil {
		t.Fatal("the file is gone")
	}
	return r
}

// harmless are the attempts that have to work in a locked down process.
var harmless = []string{"keep threads coming", "time zone", "garbage collection", "clock"}

func TestWorkerCanDoNothing(t *testing.T) {
	r := runAttack(t, "worker")
	if r.Threads != MaxThreads {
		t.Errorf("%d threads are allowed", r.Threads)
	}
	if r.lacks("seccomp") {
		t.Skipf("this kernel has no filter: %v", r.Missing)
	}
	for name, got := range r.Attempts {
		want := "EPERM"
		for _, h := range harmless {
			if name == h {
				want = "ok"
			}
		}
		if name == "clone3" {
			want = "ENOSYS"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestBuildReadsSourcesOnly(t *testing.T) {
	if underRace {
		t.Skip("the race detector needs more address space than a build child may have")
	}
	r := runAttack(t, "build")
	if r.lacks("seccomp") {
		t.Skipf("this kernel has no filter: %v", r.Missing)
	}
	for name, want := range map[string]string{
		"read allowed": "ok", "list allowed": "ok", "write a file": "EPERM", "truncate a file": "EPERM", "delete a file": "EPERM",
		"TCP socket": "EPERM", "become a program": "EPERM", "fork": "EPERM", "clock": "ok", "time zone": "ok",
	} {
		if got := r.Attempts[name]; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if r.lacks("landlock") {
		t.Logf("not restricted to folders: %v", r.Missing)
		return
	}
	for _, name := range []string{"read a file", "read beside"} {
		if got := r.Attempts[name]; got != "EACCES" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func (r attackReport) lacks(what string) bool {
	for _, m := range r.Missing {
		if strings.HasPrefix(m, what+":") {
			return true
		}
	}
	return false
}

func TestReport(t *testing.T) {
	r := &Report{}
	r.try("a", nil)
	if !r.Whole() {
		t.Fatal("nothing is missing")
	}
	r.try("landlock", unix.ENOSYS)
	r.try("seccomp", fmt.Errorf("thread %d", 5))
	if r.Whole() || r.String() != "landlock: function not implemented; seccomp: thread 5" {
		t.Fatal(r)
	}
}

// TestFilterFitsAllArchitectures checks what no kernel here would run.
func TestFilterFitsAllArchitectures(t *testing.T) {
	for name, arch := range architectures {
		for _, files := range []bool{false, true} {
			f := callFilter(arch, files)
			if len(f) > unix.BPF_MAXINSNS {
				t.Fatalf("%s: %d instructions", name, len(f))
			}
			for i, in := range f {
				if in.Code&7 == unix.BPF_JMP && i+1+int(max(in.Jt, in.Jf)) >= len(f) {
					t.Fatalf("%s: instruction %d jumps out", name, i)
				}
			}
			if f[len(f)-1] != verdict(refusal) {
				t.Fatalf("%s: what is not known is allowed", name)
			}
		}
	}
}
