// Package testrun is `loopstart test`: it runs the *.test.ts and *.test.js files
// of a project in virtual time, with no network.
//
// Each test has a world of its own: an engine assembled as for `run`, with its
// outside replaced (engine.World). The clock is virtual, the store in memory,
// RTP flows over a media.Fabric, workers are goroutines, and the other ends of
// the calls are phones of this package, which speak the interfaces of a SIP
// dialog. The test file itself is a script in a VM of its own.
//
// # Concurrency
//
// One goroutine per test drives the clock. Time moves only when nothing is in
// flight (clock.Busy) and the test awaits something. Whatever a test does, and
// whatever a test is told, happens in a timer of its own on that goroutine,
// one after the other: that is what makes a run the same every time. The lock
// of a stage guards its phones and waits; it is never held while the engine is
// called.
//
// # Limits
//
// [MaxReal] and [MaxVirtual] for one test, [MaxCalls] in it, [MaxFiles] in a
// project, [MaxMocks] and [MaxRequests] of HTTP.
//
// # Errors
//
// A test that fails is part of the [Report]; an error of [Run] means that
// nothing could be run.
package testrun

import "time"

// The limits of this package.
const (
	MaxReal     = 30 * time.Second     // machine time of one test
	MaxVirtual  = 400 * 24 * time.Hour // virtual time of one test: every holiday of a year
	MaxCalls    = 1000                 // phones made by one test
	MaxFiles    = 2000                 // test files of a project
	MaxMocks    = 1000                 // of one test
	MaxRequests = 10_000               // recorded in one test
)

// Speech is the built-in voice of tests.
const (
	// PerCharacter is how long one character takes, a space or a stop included.
	PerCharacter = 60 * time.Millisecond
	// pause is the silence after which a phone takes what it heard for over.
	pause = 100 * time.Millisecond
)

// begin is when every test begins, in the project's zone: a Monday morning, so
// that offices are open.
func begin(zone *time.Location) time.Time { return time.Date(2026, 1, 12, 10, 0, 0, 0, zone) }
