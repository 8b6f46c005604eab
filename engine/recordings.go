package engine

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/store"
)

// recordings implements call.Recordings: files named after their call, and
// signed links to them.
type recordings struct {
	dir         string
	root        *os.Root
	clk         clock.Clock
	log         *slog.Logger
	secret      []byte
	base        func() string // address of the HTTP server, for links
	done        func(done call.Recorded, err error)
	format      func() string    // when none is asked for
	child       func() *exec.Cmd // makes Ogg; nil: this process does
	slots       chan struct{}    // of conversions
	unconverted atomic.Int64     // that stayed WAV
	failed      atomic.Int64     // recordings that could not be written
}

func (e *Engine) openRecordings(cfg *config.Config) error {
	dir := e.path(cfg.Recordings.Dir)
	if e.opts.State != "" && !filepath.IsAbs(cfg.Recordings.Dir) {
		dir = filepath.Join(e.opts.State, "recordings")
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fault.New(fault.Unavailable, "recordings: %w", err).WithExit(fault.ExitConfig)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fault.New(fault.Unavailable, "recordings: %w", err).WithExit(fault.ExitConfig)
	}
	secret, err := e.linkSecret()
	if err != nil {
		return err
	}
	e.record = &recordings{
		dir: dir, root: root, clk: e.clk, log: e.log, secret: secret, base: e.publicURL, done: e.recordingDone,
		format: func() string { return e.Config().Recordings.Format }, child: e.opts.Encoder, slots: make(chan struct{}, conversions),
	}
	e.record.repair()
	return nil
}

// linkSecret is the key of signed links, made once per store.
func (e *Engine) linkSecret() ([]byte, error) {
	space := e.store.Space("engine")
	if b, ok, err := space.Get("link-secret"); err != nil || ok {
		return b, err
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	return b, space.Apply(store.Op{Key: "link-secret", Value: b})
}

// maxRecordingID is the longest id of a recording.
const maxRecordingID = 100

// name of a recording's file; ids are ours and hold no separators.
func (r *recordings) name(id string) (string, error) {
	if id == "" || len(id) > maxRecordingID || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz.-") != "" || strings.Contains(id, "..") || id[0] == '.' || id[0] == '-' {
		return "", fault.New(fault.NotFound, "no recording %q", id)
	}
	return id + ".wav", nil
}

// Create implements call.Recordings.
func (r *recordings) Create(id, format string) (*os.File, error) {
	name, err := r.name(id)
	if err != nil {
		return nil, err
	}
	_ = r.begin(id, pending{Format: format}) // where the disk is full the file itself tells
	f, err := r.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		r.over(id)
		return nil, fault.New(fault.Media, "recording: %w", err)
	}
	return f, nil
}

// Done implements call.Recordings: what is told as stored is on the disk, in the
// format that was asked for if that could be made.
func (r *recordings) Done(f *os.File, done call.Recorded, err error) {
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		r.failed.Add(1)
		r.log.Error("recording: not stored", "recording", done.ID, "err", err)
		r.discard(done.ID)
	}
	r.finish(done, err)
}

// discard removes a recording that failed, unless it holds something.
func (r *recordings) discard(id string) {
	name, err := r.name(id)
	if err != nil {
		return
	}
	if lasts, err := sound.WAVLength(filepath.Join(r.dir, name)); err != nil || lasts == 0 {
		_ = r.root.Remove(name)
	}
}

// finish makes the format of a complete WAV, and tells what became of it.
func (r *recordings) finish(done call.Recorded, err error) {
	if done.Format = cmp.Or(done.Format, r.format()); err != nil {
		done.Format = "wav"
	}
	if done.Format != "wav" {
		_ = r.begin(done.ID, pending{done.Format, done.Duration.Milliseconds()}) // the length is told even if the WAV is gone by then
	}
	if done.Format != "wav" {
		if err := r.convert(done.ID, done.Format); err != nil {
			r.unconverted.Add(1)
			r.log.Error("recording: stays WAV", "recording", done.ID, "format", done.Format, "err", err)
			done.Format = "wav"
		}
	}
	r.done(done, err)
	r.over(done.ID)
}

func (r *recordings) path(id string) (string, error) {
	name, err := r.stored(id)
	if err != nil {
		return "", err
	}
	return filepath.Join(r.dir, name), nil
}

// Open opens a recording for reading.
func (r *recordings) Open(id string) (*os.File, error) {
	name, err := r.stored(id)
	if err != nil {
		return nil, err
	}
	f, err := r.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe has nobody at its other end
	if err == nil {
		if info, serr := f.Stat(); serr != nil || !info.Mode().IsRegular() {
			f.Close()
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		return nil, fault.New(fault.NotFound, "no recording %q", id)
	}
	return f, nil
}

// defaultLink is how long a signed link works when nothing is said.
const defaultLink = 24 * time.Hour

// Link implements callhost.Links.
func (r *recordings) Link(id string, ttl time.Duration) (string, error) {
	if _, err := r.name(id); err != nil {
		return "", err
	}
	if ttl <= 0 {
		ttl = defaultLink
	}
	until := strconv.FormatInt(r.clk.Now().Add(ttl).Unix(), 10)
	q := url.Values{"until": {until}, "sig": {r.sign(id, until)}}
	return r.base() + "/v1/recordings/" + url.PathEscape(id) + "?" + q.Encode(), nil
}

func (r *recordings) sign(id, until string) string {
	m := hmac.New(sha256.New, r.secret)
	m.Write([]byte(id + "\n" + until))
	return hex.EncodeToString(m.Sum(nil))
}

// CheckLink reports whether the signature fits and has not expired.
func (r *recordings) CheckLink(id, until, sig string) bool {
	sec, err := strconv.ParseInt(until, 10, 64)
	if err != nil || r.clk.Now().Unix() > sec {
		return false
	}
	return hmac.Equal([]byte(sig), []byte(r.sign(id, until)))
}

// repair makes recordings that a killed process left playable.
func (r *recordings) repair() {
	entries, err := fs.ReadDir(r.root.FS(), ".")
	if err != nil {
		return
	}
	r.forget(entries)
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".wav" {
			continue
		}
		if fixed, err := sound.RepairWAV(filepath.Join(r.dir, entry.Name())); err != nil {
			r.log.Warn("recording cannot be repaired: "+err.Error(), "file", entry.Name())
		} else if fixed {
			r.log.Info("recording repaired", "file", entry.Name())
		}
	}
}

func (r *recordings) sweep(now time.Time, keep time.Duration) {
	if keep <= 0 {
		return
	}
	entries, err := fs.ReadDir(r.root.FS(), ".")
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && audioTypes[filepath.Ext(entry.Name())] != "" && now.Sub(info.ModTime()) > keep {
			_ = r.root.Remove(entry.Name())
		}
	}
}

// callOf is the call of a recording: id, id-2, id-3, …
func callOf(id string) string {
	call, _, _ := strings.Cut(id, "-")
	return call
}

func (r *recordings) figures() []figure {
	return []figure{
		{"recordings_failed_total", "Recordings that could not be written.", true, float64(r.failed.Load())},
		{"recordings_unconverted_total", "Recordings that stayed WAV though another format was asked for.", true, float64(r.unconverted.Load())},
	}
}
