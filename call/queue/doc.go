// Package queue is the waiting lines in front of groups of agents: who waits,
// who may be rung for whom, and what that came to today.
//
// [Core] is the whole of it on paper: it is told what happens and when, and
// answers with effects; it has no clock, no goroutine and no telephony. [Board]
// keeps one core for an engine, on a clock, and hands its effects to those who
// wait.
//
// # Concurrency
//
// A Core belongs to whoever holds it. A Board's methods are safe from any
// goroutine and never block; it calls a [Waiter] and its listeners while it holds
// its lock, so that effects come in order: they must not block and must not
// call back.
//
// # Limits
//
// [MaxWaiting] callers and kept places wait over all groups, [MaxLeft] places
// are remembered for callers who left by a key. Beyond the first Enter answers full, beyond the last the oldest is
// forgotten; [Totals] counts both.
package queue
