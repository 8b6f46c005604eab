// Package speech turns text into WAV files: a chain of synthesizers in front
// of a cache on disk. It knows neither media nor calls; a clip is a path.
//
// A driver is a child process that gets the text on its standard input
// (espeak-ng, RHVoice, any command) or an HTTP server of the OpenAI shape. One
// that fails is followed by the next of the chain; when all have failed the
// answer is a MEDIA error that lists why, never an empty clip.
//
// The other way, a [Listener] turns utterances into text: a chain of recognisers
// (a Vosk server that hears while the caller speaks, a server of the OpenAI
// shape, a command) of which the first that works answers. When one begins and
// ends is decided by whoever listens.
//
// # Concurrency
//
// All methods may be called from any goroutine. Equal utterances that are asked
// for at once are made once; the work ends when nobody waits for it any more.
// A mutex guards the list of files and is not held while anything is made.
//
// # Limits
//
//	text                MaxText      4,096 characters
//	children, requests  MaxParallel  two per core; the others wait
//	renders under way   MaxFlights   512; LIMIT beyond
//	time of one attempt Timeout      10 s
//	output              MaxOutput    32 MiB
//	utterances at once  MaxListening 256; LIMIT beyond
//	one utterance       MaxUtterance 60 s; what follows is not heard
//	cache               Options.MaxBytes, default 512 MiB; least recently used go first
//
// # Errors
//
// INVALID for text with nothing to say, LIMIT for too much of it, MEDIA when no
// engine could say it.
package speech
