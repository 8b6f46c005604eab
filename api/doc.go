// Package api is the HTTP surface: ordered calls, their records and timelines,
// hooks, scripts, key-value pairs, live events, health and metrics. It knows
// nothing of the house but the interfaces in seams.go. The table in routes.go
// is the whole surface, openapi.json describes the same, and a test holds the
// two together.
//
// # Concurrency
//
// The handler may serve any number of requests at once; it keeps no state
// between them.
//
// # Limits
//
// A request body is at most Options.MaxBody bytes and must arrive within
// readTime; a client that takes nothing for writeTime is cut off; a list has
// maxLimit rows at most. Conns bounds the connections of a listener. Listeners
// of events are bounded by the Feed, which drops those that are too slow.
//
// # Errors
//
// Every error is {error: {code, message, hint}} with the status of its code.
// What is wrong inside is logged with a reference and answered with that
// reference only. Unknown fields and parameters are told at once.
package api
