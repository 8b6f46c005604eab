package powercut

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// page is what a disk writes as a whole.
const page = 4096

// ErrTrace is in the error of [Start] where processes may not be traced.
var ErrTrace = errors.New("tracing is refused")

// image is the content of a file that is on the disk.
type image struct {
	data []byte // up to the last byte that is not in a hole
	size int64
}

// Process is a running process whose folder is watched. It belongs to the
// goroutine that started it, which is bound to its thread until Cut.
type Process struct {
	cmd     *exec.Cmd
	dir     string
	files   map[uint64]*os.File // by inode; open, so that no inode is used again
	names   map[string]uint64   // of the folder, as they are on the disk
	images  map[uint64]image    // contents, as they are on the disk
	pending map[int]func()      // by thread: what its sync makes durable once it returns
	direct  map[int]bool        // descriptors opened with O_DSYNC
	syncs   int
}

// Start runs cmd and takes what dir holds now for durable.
func Start(cmd *exec.Cmd, dir string) (*Process, error) {
	runtime.LockOSThread()
	p := &Process{cmd: cmd, dir: dir, files: map[uint64]*os.File{}, images: map[uint64]image{}, pending: map[int]func(){}, direct: map[int]bool{}}
	p.names = p.listed()
	for _, inode := range p.names {
		p.images[inode] = read(p.files[inode])
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("powercut: %w: %w", ErrTrace, err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &status, unix.WALL, nil); err != nil {
		return nil, fmt.Errorf("powercut: wait: %w", err)
	}
	const options = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(cmd.Process.Pid, options); err != nil {
		return nil, fmt.Errorf("powercut: %w: %w", ErrTrace, err)
	}
	return p, unix.PtraceSyscall(cmd.Process.Pid, 0)
}

// Run lets the process run while more says so; more is asked at every system
// call, with the number of syncs so far. ended is true when the process ended
// by itself.
func (p *Process) Run(more func(syncs int) bool) (ended bool, err error) {
	for more(p.syncs) {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, fmt.Errorf("powercut: wait: %w", err)
		case status.Exited() || status.Signaled():
			if tid == p.cmd.Process.Pid {
				return true, nil
			}
			continue
		}
		deliver := 0
		switch signal := status.StopSignal(); signal {
		case unix.SIGTRAP | 0x80:
			p.call(tid)
		case unix.SIGTRAP, unix.SIGSTOP: // a new thread
		default:
			deliver = int(signal)
		}
		if err := unix.PtraceSyscall(tid, deliver); err != nil && !errors.Is(err, unix.ESRCH) {
			return false, fmt.Errorf("powercut: go on: %w", err)
		}
	}
	return false, nil
}

// call looks at the beginning or the end of a system call.
func (p *Process) call(tid int) {
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) != nil {
		return
	}
	if result := int64(regs.Rax); result != -int64(unix.ENOSYS) {
		p.returned(tid, &regs, result)
		return
	}
	switch regs.Orig_rax {
	case unix.SYS_MSYNC:
		p.pending[tid] = p.mapped(uintptr(regs.Rdi))
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		p.pending[tid] = p.synced(int(regs.Rdi))
	}
}

// returned makes durable what a successful call has synced.
func (p *Process) returned(tid int, regs *unix.PtraceRegs, result int64) {
	durable := p.pending[tid]
	delete(p.pending, tid)
	if result < 0 {
		return
	}
	switch regs.Orig_rax {
	case unix.SYS_OPENAT:
		p.direct[int(result)] = regs.Rdx&unix.O_DSYNC != 0
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
		if p.direct[int(regs.Rdi)] {
			durable = p.synced(int(regs.Rdi))
		}
	}
	if durable != nil {
		durable()
		p.syncs++
	}
}

// synced reads what fd names at the beginning of its sync, and returns what
// makes that durable; nil: it is none of ours.
func (p *Process) synced(fd int) func() {
	link := fmt.Sprintf("/proc/%d/fd/%d", p.cmd.Process.Pid, fd)
	target, err := os.Readlink(link)
	if err != nil {
		return nil
	}
	if target == p.dir {
		names := p.listed()
		return func() { p.names = names }
	}
	if filepath.Dir(target) != p.dir {
		return nil
	}
	return p.content(link, filepath.Base(target))
}

// mapped is synced for what is mapped at an address.
func (p *Process) mapped(at uintptr) func() {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", p.cmd.Process.Pid))
	if err != nil {
		return nil
	}
	for line := range lines(raw) {
		var from, to uintptr
		var flags, offset, device, path string
		var inode uint64
		if n, _ := fmt.Sscanf(line, "%x-%x %s %s %s %d %s", &from, &to, &flags, &offset, &device, &inode, &path); n < 7 || at < from || at >= to {
			continue
		}
		if filepath.Dir(path) != p.dir {
			return nil
		}
		return p.content(path, filepath.Base(path))
	}
	return nil
}

// content reads a file at the beginning of its sync. A new file's name comes to
// the disk with it, as on ext4, XFS and btrfs.
func (p *Process) content(path, name string) func() {
	f, inode := p.open(path)
	if f == nil {
		return nil
	}
	now := read(f)
	_, here := p.listed()[name]
	return func() {
		p.images[inode] = now
		if _, known := p.names[name]; here && !known {
			p.names[name] = inode
		}
	}
}

// open opens a file that is not yet, and keeps it.
func (p *Process) open(path string) (*os.File, uint64) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = f.Close()
		return nil, 0
	}
	if known := p.files[st.Ino]; known != nil {
		_ = f.Close()
		return known, st.Ino
	}
	p.files[st.Ino] = f
	return f, st.Ino
}

// listed are the names that the folder has now.
func (p *Process) listed() map[string]uint64 {
	names := map[string]uint64{}
	entries, _ := os.ReadDir(p.dir)
	for _, e := range entries {
		if f, inode := p.open(filepath.Join(p.dir, e.Name())); f != nil {
			names[e.Name()] = inode
		}
	}
	return names
}

// Syncs is how many syncs of the folder and its files were seen.
func (p *Process) Syncs() int { return p.syncs }

// Cut ends the process and lays out in to, an empty folder, what a power cut at
// this moment may leave.
func (p *Process) Cut(to string, random *rand.Rand) error {
	defer runtime.UnlockOSThread()
	_ = p.cmd.Process.Kill()
	p.reap()
	names := p.names
	if live := p.listed(); random.IntN(2) == 0 {
		names = maps.Clone(live) // the folder has been written back by itself
	}
	for name, inode := range names {
		if err := write(filepath.Join(to, name), p.images[inode], read(p.files[inode]), random); err != nil {
			return fmt.Errorf("powercut: lay out: %w", err)
		}
	}
	for _, f := range p.files {
		_ = f.Close()
	}
	return nil
}

// reap waits until every thread is gone.
func (p *Process) reap() {
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if status.Stopped() {
			_ = unix.PtraceCont(tid, 0)
		}
	}
}
