package sound

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of a [Library]; LibraryOptions may set others for the first four.
const (
	DefaultLibraryBytes = 256 << 20        // prompts kept in memory, with their encoded forms
	DefaultAudioFile    = 256 << 20        // bytes of one file
	DefaultAudioLength  = 30 * time.Minute // of one file
	DefaultDecoders     = 2                // files decoded at once
	maxReaderBytes      = 64 << 20         // audio from a reader, held in memory while decoding
	maxLoading          = 1024             // different files being loaded or waiting for it
)

// LibraryOptions are limits; 0 means the default.
type LibraryOptions struct {
	MaxBytes     int64         // memory for prompts, oldest use goes first
	MaxFileBytes int64         // larger files are refused
	MaxDuration  time.Duration // longer audio is refused
	Decoders     int           // files decoded at once
}

// LibraryStats counts what a library did since it was made.
type LibraryStats struct {
	Prompts   int    // in memory now
	Bytes     int64  // of them, at most MaxBytes
	Hits      uint64 // found in memory
	Misses    uint64 // decoded from a file
	Shared    uint64 // waited for another's decoding of the same file
	Failures  uint64 // could not be loaded
	Evictions uint64 // went to make room
	Oversized uint64 // too large for the memory limit, not kept
	Refused   uint64 // too many files being loaded at once
}

// Library loads audio files once and keeps them in memory. A file that has
// changed on disk (time or size) is loaded again; calls that play the old one
// keep it.
//
// # Concurrency
//
// Safe for all goroutines. Decoding runs on its own goroutine, at most Decoders
// at once; it stops when nobody waits for it any more.
//
// # Errors
//
// *fault.Error: NotFound, Media (undecodable), Limit (size, length, too many).
type Library struct {
	opts  LibraryOptions
	slots chan struct{} // one token per decoder

	mu      sync.Mutex
	kept    map[promptKey]*list.Element // of *keptPrompt
	recent  *list.List                  // most recently used first
	loading map[loadKey]*loading
	stats   LibraryStats
}

// promptKey names a prompt; stamp is the state of the file behind it.
type promptKey struct {
	path string
	opts LoadOptions
}

type stamp struct {
	modified time.Time
	size     int64
}

type loadKey struct {
	promptKey
	stamp
}

type keptPrompt struct {
	key    promptKey
	stamp  stamp
	prompt *Prompt
}

// loading is a decoding that one or more callers wait for.
type loading struct {
	key     loadKey
	waiters int // guarded by Library.mu
	cancel  context.CancelFunc
	done    chan struct{} // closed when prompt and err are set
	prompt  *Prompt
	err     error
}

// NewLibrary returns an empty library.
func NewLibrary(opts LibraryOptions) *Library {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = DefaultLibraryBytes
	}
	if opts.MaxFileBytes <= 0 {
		opts.MaxFileBytes = DefaultAudioFile
	}
	if opts.MaxDuration <= 0 {
		opts.MaxDuration = DefaultAudioLength
	}
	if opts.Decoders <= 0 {
		opts.Decoders = DefaultDecoders
	}
	return &Library{
		opts: opts, slots: make(chan struct{}, opts.Decoders),
		kept: make(map[promptKey]*list.Element), recent: list.New(), loading: make(map[loadKey]*loading),
	}
}

// Load returns the audio of a WAV or MP3 file. The format is told by the bytes
// and only when they do not tell by the name.
func (l *Library) Load(ctx context.Context, path string, opts LoadOptions) (*Prompt, error) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, l.failed(unreadable(path, err))
	}
	key := loadKey{promptKey{path, opts}, stamp{info.ModTime(), info.Size()}}

	l.mu.Lock()
	if p := l.lookupLocked(key); p != nil {
		l.mu.Unlock()
		return p, nil
	}
	job, joined := l.loading[key]
	switch {
	case joined:
		l.stats.Shared++
	case len(l.loading) >= maxLoading:
		l.stats.Refused++
		l.mu.Unlock()
		return nil, fault.New(fault.Limit, "media: load %s: more than %d files are being loaded", path, maxLoading)
	default:
		l.stats.Misses++
		job = l.startLocked(key)
	}
	job.waiters++
	l.mu.Unlock()
	return l.wait(ctx, job)
}

// lookupLocked finds a prompt that is still what the file holds.
func (l *Library) lookupLocked(key loadKey) *Prompt {
	e, ok := l.kept[key.promptKey]
	if !ok {
		return nil
	}
	k := e.Value.(*keptPrompt)
	if k.stamp != key.stamp {
		return nil
	}
	l.stats.Hits++
	l.recent.MoveToFront(e)
	return k.prompt
}

// startLocked begins decoding; the goroutine ends when it is done or when its
// last waiter has left.
func (l *Library) startLocked(key loadKey) *loading {
	ctx, cancel := context.WithCancel(context.Background())
	job := &loading{key: key, cancel: cancel, done: make(chan struct{})}
	l.loading[key] = job
	go func() {
		defer cancel()
		prompt, got, err := l.loadFile(ctx, key.path, key.opts)
		l.mu.Lock()
		l.forgetLocked(job)
		if err != nil {
			l.stats.Failures++
		} else {
			l.keepLocked(&keptPrompt{key: key.promptKey, stamp: got, prompt: prompt})
		}
		job.prompt, job.err = prompt, err
		l.mu.Unlock()
		close(job.done)
	}()
	return job
}

// forgetLocked lets the next caller start afresh.
func (l *Library) forgetLocked(job *loading) {
	if l.loading[job.key] == job {
		delete(l.loading, job.key)
	}
}

// wait blocks until job is done or ctx ends.
func (l *Library) wait(ctx context.Context, job *loading) (*Prompt, error) {
	select {
	case <-job.done:
		return job.prompt, job.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if job.waiters--; job.waiters == 0 {
		job.cancel()
		l.forgetLocked(job)
	}
	return nil, fmt.Errorf("media: load: %w", ctx.Err())
}

// loadFile decodes the file and says what state of it was read.
func (l *Library) loadFile(ctx context.Context, path string, opts LoadOptions) (*Prompt, stamp, error) {
	release, err := l.acquire(ctx)
	if err != nil {
		return nil, stamp{}, err
	}
	defer release()
	// A pipe under the name must not block the decoder before it is refused.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, stamp{}, unreadable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, stamp{}, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, stamp{}, fault.New(fault.Media, "media: %s is not a file", path)
	}
	if info.Size() > l.opts.MaxFileBytes {
		return nil, stamp{}, tooLarge(path, l.opts.MaxFileBytes)
	}
	kind := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	prompt, err := decodeAudio(ctx, f, kind, l.opts.MaxDuration, opts)
	return prompt, stamp{info.ModTime(), info.Size()}, named(path, err)
}

// acquire takes a decoder.
func (l *Library) acquire(ctx context.Context) (release func(), err error) {
	select {
	case l.slots <- struct{}{}:
		return func() { <-l.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("media: load: %w", ctx.Err())
	}
}

// keepLocked stores a prompt and makes room for it.
func (l *Library) keepLocked(k *keptPrompt) {
	if old, ok := l.kept[k.key]; ok {
		l.removeLocked(old)
	}
	if k.prompt.bytes() > l.opts.MaxBytes {
		l.stats.Oversized++
		return
	}
	l.kept[k.key] = l.recent.PushFront(k)
	l.stats.Bytes += k.prompt.bytes()
	for l.stats.Bytes > l.opts.MaxBytes {
		l.removeLocked(l.recent.Back())
		l.stats.Evictions++
	}
}

func (l *Library) removeLocked(e *list.Element) {
	k := l.recent.Remove(e).(*keptPrompt)
	delete(l.kept, k.key)
	l.stats.Bytes -= k.prompt.bytes()
}

// LoadReader decodes audio that has no file: embedded prompts, HTTP bodies. It
// reads r to its end, at most 64 MB, and does not keep the result. kind, "wav",
// "mp3" or "", counts only when the bytes do not tell.
func (l *Library) LoadReader(ctx context.Context, r io.Reader, kind string, opts LoadOptions) (*Prompt, error) {
	limit := min(maxReaderBytes, l.opts.MaxFileBytes)
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, l.failed(fault.New(fault.Media, "media: read audio: %w", err))
	}
	if int64(len(body)) > limit {
		return nil, l.failed(tooLarge("the audio", limit))
	}
	release, err := l.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	prompt, err := decodeAudio(ctx, bytes.NewReader(body), kind, l.opts.MaxDuration, opts)
	if err != nil {
		return nil, l.failed(err)
	}
	return prompt, nil
}

// Stats is a snapshot of the counters.
func (l *Library) Stats() LibraryStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Prompts = l.recent.Len()
	return s
}

func (l *Library) failed(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Failures++
	return err
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "media: there is no file %s", path).
			WithHint("file names are looked up in the script's folder, then in prompts/<language>/ there")
	}
	return fault.New(fault.Media, "media: %w", err)
}

func tooLarge(what string, limit int64) error {
	return fault.New(fault.Limit, "media: %s is larger than %d MB", what, limit>>20).WithHint("store long audio as MP3")
}

// named puts the file's name before a message.
func named(path string, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	c := *f
	c.Message = "media: " + path + ": " + strings.TrimPrefix(c.Message, "media: ")
	return &c
}
