// Package media makes, negotiates and moves the audio of calls.
//
// It has two halves. The first is pure: codecs ([Codec]), prepared audio
// ([Prompt], [Library], [Tone]), files ([WAVWriter]) and the offer/answer rules
// of SDP ([BuildOffer], [BuildAnswer], [ReadAnswer]). The second is the engine
// that paces RTP: sessions on shards, one goroutine each.
//
// All audio inside the package is mono, signed 16 bit, 8000 samples a second,
// in frames of 20 ms (160 samples).
//
// # Concurrency
//
// Codecs, prompts and their encoded forms are immutable and shared by all
// calls without a lock. A [Library] may be used from any goroutine.
//
// # Limits
//
// Every file, session description, queue and pool has a named limit constant
// beside the code that enforces it (MaxSDP, MaxMediaLines, DefaultLibraryBytes, …).
//
// # Errors
//
// Errors that a user may see are *fault.Error: NotFound for a missing file,
// Media for audio that cannot be decoded or agreed on, Limit for a named limit.
// [ErrNotAcceptable] marks a session description that deserves a 488.
package media
