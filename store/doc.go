// Package store keeps what must outlive the process: the scripts' key-value
// space, orders and call records with their lists, timelines, idempotency
// answers, leases, and private ordered spaces for queues built on top of it.
// Badger is inside and is not seen from outside; storetest is what another
// backend has to pass.
//
// A write that has returned without an error, or whose callback was called
// without one, survives a power cut. Writers that come together share one
// fsync (group commit); nothing of this package is called by the media path.
//
// # Concurrency
//
// All methods may be called from any goroutine. One goroutine, the committer,
// owns every change: it runs the queued jobs one after another in one
// transaction, so compare-and-set, increments and unique keys need no lock.
// Callbacks of the …Later methods run on the committer and must not block or
// call a waiting method of the store.
//
// # Limits
//
//	key                    MaxKey       1 KiB
//	value                  MaxValue     1 MiB
//	record, order, timeline MaxDocument 2 MiB
//	jobs waiting           MaxPending   4,096; …Later answers LIMIT beyond it, the others wait
//	jobs in one fsync      MaxGroup     1,024
//	list                   MaxList      1,000 rows a page, MaxScan 20,000 looked at
//	leases                 MaxLeases    100,000, MaxWaiters 10,000 waiting
//	free disk space        Options.Reserve: less than that refuses writes, because
//	                       a store on mapped files dies when a page finds no room
//
// # Errors
//
// Every error is a *fault.Error: INVALID and LIMIT for the caller's mistakes,
// CONFLICT for an idempotency key with another body, UNAVAILABLE while the disk
// is full or failing (the store goes on by itself when it is not). Open answers
// with the exit status ExitStore and a hint when the folder is locked, damaged
// or full.
package store
