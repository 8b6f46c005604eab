// Package bench loads the real program with calls over loopback and measures
// it from outside: CPU of all its processes beside the cheapest way to send the
// same packets, set-up times, memory, and the jitter and loss of its audio.
//
// [Run] is `loopstart bench`, [Report] the end of `make bench`. Both start the
// program as `run` would, with a project made up in a folder that is removed
// afterwards; the load comes from another process ([Load]), so that its cost is
// none of the program's: one SIP and one RTP socket for all callers, sendmmsg
// and recvmmsg, arrival times stamped by the kernel.
//
// # Concurrency
//
// The sender of RTP and the readers have a thread each; what they count is
// behind one mutex.
//
// # Limits
//
// [MaxCalls] at once.
//
// # Errors
//
// Wrong options are fault.Invalid, a program that does not start or answer is
// fault.Unavailable; what is measured is never an error but a result.
package bench
