package sip

import "sync/atomic"

// Stats counts what an endpoint did since Open; Dialogs, Connections,
// Sources, Transactions, Requests, Banning and Absent are present numbers.
type Stats struct {
	Dialogs     int // now
	Connections int // TCP, now
	Sources     int // UDP sources remembered for answers, now

	Transactions int // of requests to us, now
	Requests     int // of ours whose transactions are not over, now

	Received  uint64 // messages that passed raw validation
	Malformed uint64 // messages refused by raw validation
	Answered  uint64 // of those, with 400, 505 and the like
	Limited   uint64 // messages dropped because their source is over its rate
	Banned    uint64 // messages dropped because their source is banned
	Scanners  uint64 // messages dropped because they are a scanner's
	Crowded   uint64 // requests answered 503 by a cap of transactions
	Bans      uint64 // sources that were banned
	Banning   int    // sources that are banned now
	Rejected  uint64 // requests refused by origin rules

	Inbound      uint64 // dialogs by incoming INVITE
	Outbound     uint64 // dialogs by Dial
	DialogsFull  uint64 // INVITEs answered 503 by MaxDialogs
	Drained      uint64 // INVITEs answered 503 while draining
	Merged       uint64 // INVITEs answered 482
	Unmatched    uint64 // requests answered 481
	Overflows    uint64 // dialogs ended because events or mailbox overflowed
	OutOfOrder   uint64 // requests refused by CSeq
	Reordered    uint64 // requests held until an earlier one came
	Panics       uint64 // recovered
	LateAnswers  uint64 // 2xx that met no transaction
	ForkedEnded  uint64 // forked 2xx that were acknowledged and ended
	Connects     uint64 // TCP connections opened or accepted
	ConnsRefused uint64 // TCP connections over a limit
	Handshakes   uint64 // TLS handshakes that failed
	WriteErrors  uint64
	Moves        uint64 // changes of this machine's addresses
	Absent       int    // listeners whose address is not on this machine now
}

// counters is the live form of Stats.
type counters struct {
	received, malformed, answered, limited, rejected                 atomic.Uint64
	inbound, outbound, dialogsFull, drained, merged, unmatched       atomic.Uint64
	overflows, outOfOrder, reordered, panics, lateAnswers, forkEnded atomic.Uint64
	connects, connsRefused, handshakes, writeErrors                  atomic.Uint64
	banned, scanners, crowded, moves                                 atomic.Uint64
}

func (c *counters) snapshot() Stats {
	return Stats{
		Received: c.received.Load(), Malformed: c.malformed.Load(), Answered: c.answered.Load(),
		Limited: c.limited.Load(), Banned: c.banned.Load(), Scanners: c.scanners.Load(), Crowded: c.crowded.Load(), Rejected: c.rejected.Load(),
		Inbound: c.inbound.Load(), Outbound: c.outbound.Load(), DialogsFull: c.dialogsFull.Load(),
		Drained: c.drained.Load(), Merged: c.merged.Load(), Unmatched: c.unmatched.Load(),
		Overflows: c.overflows.Load(), OutOfOrder: c.outOfOrder.Load(), Reordered: c.reordered.Load(),
		Panics: c.panics.Load(), LateAnswers: c.lateAnswers.Load(), ForkedEnded: c.forkEnded.Load(),
		Connects: c.connects.Load(), ConnsRefused: c.connsRefused.Load(), Handshakes: c.handshakes.Load(), WriteErrors: c.writeErrors.Load(), Moves: c.moves.Load(),
	}
}
