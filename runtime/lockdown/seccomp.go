package lockdown

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, see seccomp(2). Arguments are little-endian
// on the two architectures that the filter knows.
const (
	offsetNumber    = 0
	offsetArch      = 4
	offsetArguments = 16
)

// refusal is what a call gets that is not allowed: an error it can report.
const refusal = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)

var architectures = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

var errArchitecture = errors.New("the filter does not know this architecture")

// filterCalls allows all threads only the system calls that a Go program with
// pipes needs, and with files also those that read them.
func filterCalls(files bool) error {
	arch, known := architectures[goruntime.GOARCH]
	if !known {
		return errArchitecture
	}
	program := callFilter(arch, files)
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	if thread != 0 {
		return fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return nil
}

// needs is one argument of a call that must have, or must not have, bits.
type needs struct {
	number   uintptr
	argument int
	with     uint32 // all of these
	without  uint32 // none of these
}

func plainCalls(files bool) []uintptr {
	calls := slices.Concat(runtimeCalls, archCalls)
	if files {
		calls = slices.Concat(calls, fileCalls, archFileCalls)
	}
	return calls
}

// checkedCalls are allowed with certain arguments: threads but no processes,
// memory that is never executable, signals to this process alone, and reading.
func checkedCalls(files bool) []needs {
	list := []needs{
		{unix.SYS_CLONE, 0, unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SIGHAND, 0},
		{unix.SYS_MMAP, 2, 0, unix.PROT_EXEC},
		{unix.SYS_MPROTECT, 2, 0, unix.PROT_EXEC},
	}
	if files {
		const changing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND | unix.O_TMPFILE&^unix.O_DIRECTORY
		list = append(list, needs{unix.SYS_OPENAT, 2, 0, changing})
	}
	return list
}

// callFilter writes the filter in the language of bpf(4). Each call is one
// block that ends in a decision; what no block knows is refused.
func callFilter(arch uint32, files bool) []unix.SockFilter {
	f := []unix.SockFilter{
		load(offsetArch), jump(unix.BPF_JEQ, arch, 1, 0), verdict(unix.SECCOMP_RET_KILL_PROCESS), load(offsetNumber),
	}
	if arch == unix.AUDIT_ARCH_X86_64 { // the x32 calls have numbers of their own
		f = append(f, jump(unix.BPF_JGE, 0x40000000, 0, 1), verdict(refusal))
	}
	// A kernel that has clone3 would be asked for threads in a way that cannot
	// be looked into; the runtime falls back to clone.
	f = append(f, jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1), verdict(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)))
	for _, number := range plainCalls(files) {
		f = append(f, jump(unix.BPF_JEQ, uint32(number), 0, 1), verdict(unix.SECCOMP_RET_ALLOW))
	}
	self := []needs{{unix.SYS_TGKILL, 0, 0, 0}, {unix.SYS_PRLIMIT64, 0, 0, 0}}
	for _, n := range self {
		f = append(f, ownProcess(n, arch)...)
	}
	for _, n := range checkedCalls(files) {
		f = append(f, checked(n)...)
	}
	return append(f, verdict(refusal))
}

// checked is the block of a call with an argument of certain bits.
func checked(n needs) []unix.SockFilter {
	argument := uint32(offsetArguments + 8*n.argument)
	return []unix.SockFilter{
		jump(unix.BPF_JEQ, uint32(n.number), 0, 7),
		load(argument),
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: n.with},
		jump(unix.BPF_JEQ, n.with, 0, 3),
		load(argument),
		jump(unix.BPF_JSET, n.without, 1, 0),
		verdict(unix.SECCOMP_RET_ALLOW),
		verdict(refusal),
	}
}

// ownProcess is the block of a call whose first argument is a process: only
// this one, or 0, which means the same.
func ownProcess(n needs, _ uint32) []unix.SockFilter {
	return []unix.SockFilter{
		jump(unix.BPF_JEQ, uint32(n.number), 0, 5),
		load(offsetArguments),
		jump(unix.BPF_JEQ, uint32(unix.Getpid()), 1, 0),
		jump(unix.BPF_JEQ, 0, 0, 1),
		verdict(unix.SECCOMP_RET_ALLOW),
		verdict(refusal),
	}
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func jump(kind uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | kind | unix.BPF_K, Jt: yes, Jf: no, K: k}
}

func verdict(v uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: v}
}
