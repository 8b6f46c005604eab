// Package stream is the client of media streams: it carries the audio of a
// call to a WebSocket server and back, in the widely used JSON framing of
// start, media, dtmf, mark, clear and stop messages. It knows no call: audio
// comes from a [media.Tap], what happens goes to [Options.Notify].
//
// The rules of what goes wrong, each told by an [Event]:
//
//   - A server that reads too slowly loses the oldest audio; the call never
//     waits for it.
//   - Audio that it sends beyond the tap's limit is dropped; messages beyond
//     [MaxRate] a second are read later.
//   - A message that is none is dropped; after [MaxGarbage] of them the stream
//     ends with an error.
//   - A connection that breaks is opened again, with growing pauses; one that
//     could not be opened the first time is not.
//
// # Concurrency
//
// A Client has three goroutines: one connects and reads, one writes, one takes
// the frames of the tap. They end with the stream, the last one with the tap.
// All methods may be called from any goroutine and do not wait.
//
// # Limits
//
// [MaxQueued] frames and [MaxControl] other messages wait to be sent,
// [MaxMarks] marks to be heard. Messages are bounded by netx.MaxSocketMessage.
//
// # Errors
//
// The error of an Ended event is DENIED for a host that the script may not
// reach, INVALID for an address that is none, else NETWORK.
package stream

import "time"

// Limits of one stream.
const (
	MaxQueued  = 100  // frames that wait for a slow server, 2 s of one track
	MaxControl = 256  // marks, digits and the like that wait; the stream ends beyond
	MaxMarks   = 1000 // marks of the server that are not heard yet
	MaxGarbage = 16   // messages that are none, until the stream ends
	MaxRate    = 2000 // messages a second; more wait with the server

	// DefaultReconnect is how often a broken connection is opened again.
	DefaultReconnect = 5
	firstPause       = 250 * time.Millisecond
	longestPause     = 4 * time.Second
	stable           = 30 * time.Second // after which the count begins anew
)
