// Package sip is the signalling half of a call: it listens, decides who may
// talk to us, keeps registrations and trunks, and turns INVITEs into dialogs.
//
// Parser, transports and transactions come from emiago/sipgo; everything above
// them is here: raw validation in front of the parser, dialogs for both roles,
// forks, CANCEL races, ordering by CSeq, 2xx retransmission, digest on every
// request of ours. SDP is opaque bytes.
//
// # Concurrency
//
// An [Endpoint] may be used from any goroutine. Each [Dialog] has one goroutine
// that owns its state; the methods of a Dialog post commands to it and never
// wait for the network. Events of one dialog arrive in order on one channel.
// Deps.Incoming runs on a goroutine of the new dialog and must return soon.
//
// # Limits
//
// MaxDialogs, MaxTransactions, MaxMessage, MaxHeaders, MaxHeaderLine, MaxConnections,
// MaxConnectionsPerSource, MaxSources, EventCapacity, MailboxCapacity, MaxForks and the
// request rate of sources nobody knows are constants; what they refuse is
// counted in [Stats].
//
// # Errors
//
// Errors are *fault.Error. What a peer does is an event, never an error.
package sip
