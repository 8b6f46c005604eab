// Package lockdown takes from a process what it does not need: files, network,
// new programs, privileges, and resources beyond a limit. Script workers and
// build children call [Apply] before the first script is run or parsed.
//
// What the kernel cannot do is left out and named in the [Report]: the limits
// of the machine, rlimits and the language's own guard are there all the same.
//
// # Limits
//
// See [Worker] and [Build]. RLIMIT_NPROC is not set: it counts all threads of
// the user, so that a low value would break the parent, too; new processes are
// refused by the system call filter instead.
//
// # Errors
//
// Apply returns no error: a worker that is less locked down than it could be
// is better than no worker. The caller logs the Report.
package lockdown
