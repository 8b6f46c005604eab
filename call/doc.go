// Package call joins signalling and media: a dialog and a media session become
// a leg, and legs, a script's verbs and a timeline become a call.
//
// # Concurrency
//
// Every call has one goroutine that owns all of its state: legs, prompts,
// gathers, recordings, the bridge and the record. Dialogs, media shards, timers
// and the script's host half post functions into its mailbox, which never
// blocks them. Methods of [Call] are safe from any goroutine; methods of [Leg]
// and everything unexported run on the call's goroutine.
//
// # Limits
//
// [MailboxCapacity] functions wait for a call, [MaxTimeline] entries are kept,
// [MaxTypedAhead] keys, [MaxLegs] legs at once, [MaxStreams] streams of each. Beyond them the oldest key is
// dropped, the entry counted, the verb refused with LIMIT, the call ended.
//
// # Errors
//
// A verb ends with a value for what the parties did, and with a *fault.Error
// for what went wrong: HANGUP after the end, MEDIA, LIMIT, INVALID, CONFLICT.
package call
