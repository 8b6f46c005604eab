// Package media makes and moves the audio of calls.
//
// It is the engine that paces RTP: sessions on shards, one goroutine each, with
// their players, bridges, mixers, recorders and taps. What needs no session lies
// below it: offers and answers in media/sdp, samples and rates in media/audio,
// codecs in media/codec, prompts and files in media/sound, detectors of machines,
// tones, speech and keys in media/detect, encryption in media/srtp.
//
// # Concurrency
//
// Sessions, mixers and the engine may be used from any goroutine; what is on a
// shard belongs to that shard.
//
// # Limits
//
// Every file, session description, queue and pool has a named limit constant
// beside the code that enforces it (MaxMixMembers, MaxFeed, …).
//
// # Errors
//
// Errors that a user may see are *fault.Error: Media for what cannot be agreed
// on, Limit for a named limit.
// [sdp.ErrNotAcceptable] marks a session description that deserves a 488.
package media
