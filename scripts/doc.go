// Package scripts keeps a folder of call scripts built: it finds them, has
// them bundled, gives each content a version, watches the folder and swaps
// versions. It knows no JavaScript engine and no telephony.
//
//	scripts/<name>.ts|js        one file = one script, or
//	scripts/<name>/main.ts|js   one folder = one script
//	scripts/_lib/…              shared code; a leading _ is never a script
//	scripts/**/*.test.ts|js     tests, never scripts
//
// [Discover] lists the folder. [Bundle] is the compiler half: it runs esbuild
// and is meant to run in a child process, because a hostile source can crash a
// parser; a [Builder] is how the [Registry] reaches that child. The registry
// pins a [Version] for each call, so a call keeps the version it began with.
// Which version a new call gets is a [Plan]: the folder's newest, one that was
// rolled back to and pinned, or for some calls a [Canary].
//
// # Concurrency
//
// One goroutine per Registry owns watching and building. Everything a call
// needs (Current, Acquire, Release, List) takes a short lock and never waits
// for a build.
//
// # Limits
//
// [MaxSourceBytes] per file and per bundle, [MaxBracketDepth], [MaxScripts],
// [MaxInputs] per script, [MaxVersions] kept in memory and [MaxKept] on disk per
// script, [MaxWatches] folders, and [MaxUploadFiles] and [MaxUploadBytes] of an
// upload.
//
// # Errors
//
// A script that does not build never replaces a version that did. What is
// wrong with it is a list of [Diagnostic], each with file:line:col relative to
// the scripts folder, a code frame and, where one is known, a hint.
package scripts

import "time"

// The limits of this package.
const (
	// MaxSourceBytes is the greatest size of one source file and of one bundle.
	MaxSourceBytes = 1 << 20
	// MaxBracketDepth is how deep brackets may nest in a source file. Parsers
	// recurse on them, and a Go stack that overflows ends the process.
	MaxBracketDepth = 500
	// MaxScripts is how many scripts one folder may hold.
	MaxScripts = 1000
	// MaxInputs is how many files one script may be bundled from.
	MaxInputs = 2000
	// MaxVersions is how many versions of one script may be draining at once.
	// A save beyond it is refused until a call of an old version has ended.
	MaxVersions = 64
	// MaxKept is how many versions of one script stay on disk to be rolled back
	// to; beyond it the one that was used longest ago is deleted.
	MaxKept = 50
	// MaxWatches is how many folders are watched for changes.
	MaxWatches = 4000
	// MaxTreeFiles is how many source files a scripts folder may hold.
	MaxTreeFiles = 20_000
	// MaxDiagnostics is how many errors of one build are reported.
	MaxDiagnostics = 20
)

// Times of the watcher, see Options.
const (
	DefaultDebounce = 50 * time.Millisecond
	DefaultMaxDelay = time.Second
	DefaultKeep     = 8 * 24 * time.Hour // afterCall is retried for 72 h
)
