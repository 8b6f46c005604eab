// Package api is the HTTP surface of contract section 6: ordered calls, their
// records and timelines, hooks, scripts, key-value pairs, live events, health
// and metrics. It knows nothing of the house but the interfaces in seams.go.
//
// # Concurrency
//
// The handler may serve any number of requests at once.
//
// # Limits
//
// A request body is at most Options.MaxBody bytes, a list 1,000 rows, a
// listener of events is dropped when it is too slow.
//
// # Errors
//
// Every error is {error: {code, message, hint}} with the status of its code.
// Unknown fields, scripts and trunks are told at once.
package api
