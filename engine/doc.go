// Package engine assembles the program: it builds every part from a
// configuration, routes an incoming call to its script, launches ordered
// calls, keeps their records, and reloads and drains.
//
// # Concurrency
//
// An Engine may be used from any goroutine. It owns registries only (live
// calls, script settings, groups); what happens in a call belongs to the
// call's goroutine. Nothing here is global: two engines live in one process.
//
// # Limits
//
// Calls at once and per second, overall, per script and per route, as in
// config.Limits; [MaxOpenOrders] ordered calls wait at once.
package engine
