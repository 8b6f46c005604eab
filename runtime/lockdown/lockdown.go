package lockdown

import (
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// Profile says what a process keeps.
type Profile struct {
	// Read are folders and files that may be read; nil means no file may be
	// opened at all.
	Read []string
	// List are folders whose names, and those below, may be listed.
	List []string
	// Address is the most address space in bytes, 0 for no limit.
	Address uint64
	// CPU is the most CPU time in seconds, 0 for no limit.
	CPU uint64
	// Files is how many descriptors may be open.
	Files uint64
}

// MaxThreads is how many threads a locked down process may have.
const MaxThreads = 512

// Worker is the profile of a script worker: it has its pipes and nothing else.
// Its memory limit grows with its VMs, so it sets that itself.
func Worker() Profile { return Profile{Files: 64} }

// Build is the profile of a build child, which reads sources.
// Names may be listed anywhere: packages are looked for in all folders above.
func Build(read []string) Profile {
	return Profile{Read: read, List: []string{"/"}, Address: buildAddress, CPU: 15, Files: 256}
}

// Report says what could not be done.
type Report struct{ Missing []string }

// Whole reports whether everything was done.
func (r *Report) Whole() bool { return len(r.Missing) == 0 }

// String names what is missing.
func (r *Report) String() string { return strings.Join(r.Missing, "; ") }

func (r *Report) try(what string, err error) {
	if err != nil {
		r.Missing = append(r.Missing, what+": "+err.Error())
	}
}

// Apply locks the process down, all threads of it, for good.
func Apply(p Profile) *Report {
	r := &Report{}
	debug.SetMaxThreads(MaxThreads)
	limit := func(name string, resource int, value uint64) {
		r.try(name, unix.Setrlimit(resource, &unix.Rlimit{Cur: value, Max: value}))
	}
	limit("core dumps", unix.RLIMIT_CORE, 0)
	limit("file size", unix.RLIMIT_FSIZE, 0)
	if p.Address > 0 {
		limit("address space", unix.RLIMIT_AS, p.Address)
	}
	if p.CPU > 0 {
		limit("CPU time", unix.RLIMIT_CPU, p.CPU)
	}
	r.try("no new privileges", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	r.try("landlock", restrictFiles(p.Read, p.List))
	limit("descriptors", unix.RLIMIT_NOFILE, p.Files)
	r.try("seccomp", filterCalls(p.Read != nil))
	return r
}
