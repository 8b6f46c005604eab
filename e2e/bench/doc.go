// Command bench is the end of `make bench`: it starts the real program with
// projects it makes up, loads it with calls over loopback and prints what
// docs/PERFORMANCE.md keeps: CPU per playing call beside the cheapest way to
// send the same packets, set-up rate, time to the first line and to the first
// packet, memory, and send jitter.
//
// LOOPSTART_BIN names the program. The load comes from this process: one SIP
// and one RTP socket for all callers, sendmmsg and recvmmsg, arrival times
// stamped by the kernel.
//
// # Concurrency
//
// The sender of RTP and the readers have a thread each; what they count is
// behind one mutex.
package main
