// Package runtime runs scripts: one goja VM with its own event loop per call,
// inside a worker process that [Serve] is the main function of. It knows no
// telephony; whatever a script wants done is a message to the host.
//
// A version is compiled once and shared by all its VMs. A VM that waits has no
// goroutine: it is put on the run queue when something arrives, and one of a
// few lanes runs one slice of it, which is one task with all its microtasks.
//
// # Concurrency
//
// Everything inside a VM belongs to the lane that runs its slice. Modules, the
// Globals hook, event functions and abort hooks are called there, and the
// methods of [VM] may be called only from there, but for the function that
// [VM.Reserve] returns, [VM.Context] and [VM.Now].
//
// # Limits
//
// The limits of message.Limits hold for each VM; see [DefaultLimits]. A slice
// that is over one of them is interrupted, and the VM ends with LIMIT and the
// name of the limit. Natives cannot be interrupted: the supervisor kills a
// worker that is stuck in one.
//
// # Errors
//
// A VM always ends with one Done frame. Its error carries the place in the
// author's source, a code frame, the stack, the awaits that were pending, and
// a hint where the mistake is a known one.
package runtime
