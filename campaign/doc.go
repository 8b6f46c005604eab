// Package campaign is the dialer on paper: which contact of a campaign is
// dialled when, how often, and what becomes of it. Time, disk, trunks and the
// calls themselves are injected; nothing here knows SIP.
//
// # The rules
//
// One cap: Spec.Attempts bounds the dials of a contact over all outcomes, all
// its numbers, retries that scripts ask for, and restarts.
//
// The intent first: an attempt is counted and written with the contact's new
// state in one transaction, then dialled. An attempt that a restart finds with
// an intent and no result takes its result from the call's record if there is
// one; else it is unknown, which is shown and not dialled again unless the
// retry rules name unknown.
//
// Numbers of a contact take turns: each attempt dials the number after the one
// dialled last, leaving out those that do not exist and those on the
// stop-list. The pause is that of the last outcome whatever number follows,
// but after bad_number the next number is dialled without one.
//
// Priority: among the contacts that are due, the highest goes first; of equal
// ones those with an appointed time (at, a retry) before those that are called
// whenever there is room, and of these the one due longest. Every Fairness-th dial goes to the one due
// longest whatever its priority, so that nobody starves.
//
// Windows are read off the callee's wall clock at the instant of dialling, as
// is the stop-list; a frequency cap counts the dials of a number by all
// campaigns and orders. What is not due or not allowed is not touched: a
// closed window costs nothing however many contacts wait behind it.
//
// A clock that steps back delays, one that steps forward neither lets calls
// out of a window nor makes up for the time with a burst.
//
// # Concurrency
//
// A Campaign's state belongs to whoever holds its turn, which Step and the
// controlling methods take one after another; Result and Prepared only leave a
// note and return at once. The Dialer is called with the turn held and must
// not block or call a method that takes it.
//
// # Limits
//
//	contacts        no limit; memory holds those in a call and Ahead of each queue
//	queues          MaxQueues  4,096 zones with their priorities
//	attempts        MaxAttempts  100 a contact, MaxCallsCap 5,000 at once
//	numbers         MaxPhones  10 a contact
//	dials of a number  MaxDials 32 remembered for DialMemory
//	rows of an import reported one by one  MaxBadRows 1,000
//
// # Errors
//
// Every error is a *fault.Error. What the disk refuses pauses the campaign
// with the reason; results wait in memory until it takes them.
package campaign
