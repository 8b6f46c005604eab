package sound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
)

// wavFile writes a tone of so many samples at 8 kHz.
func wavFile(t testing.TB, path string, samples int) string {
	t.Helper()
	if err := os.WriteFile(path, mediatest.WAVBytes(wavePCM, 1, 8000, 16, mediatest.Bytes(mediatest.Sine(440, 8000, samples, 5000))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, l *Library, path string) *Prompt {
	t.Helper()
	p, err := l.Load(t.Context(), path, LoadOptions{})
	mediatest.Must(t, err)
	return p
}

func TestLibraryLoadsOnceAndSeesChanges(t *testing.T) {
	l := NewLibrary(LibraryOptions{})
	path := wavFile(t, filepath.Join(t.TempDir(), "a.wav"), 8000)
	first := load(t, l, path)
	if load(t, l, path) != first || load(t, l, filepath.Dir(path)+"/./a.wav") != first {
		t.Error("the same file is loaded twice")
	}
	if trimmed, err := l.Load(t.Context(), path, LoadOptions{Normalise: true}); err != nil || trimmed == first {
		t.Errorf("options do not tell prompts apart: %v", err)
	}
	wavFile(t, path, 4000) // another size
	second := load(t, l, path)
	if second == first || second.Duration() != 500*time.Millisecond {
		t.Error("a change of size is not seen")
	}
	mediatest.Must(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
	if load(t, l, path) == second {
		t.Error("a change of time is not seen")
	}
	s := l.Stats()
	if s.Hits != 2 || s.Misses != 4 || s.Prompts != 2 || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}

func TestLibraryAppliesOptions(t *testing.T) {
	l := NewLibrary(LibraryOptions{})
	path := filepath.Join(t.TempDir(), "a.wav")
	pcm := append(append(make([]int16, 8000), mediatest.Sine(440, 8000, 8000, 1000)...), make([]int16, 8000)...)
	mediatest.Must(t, os.WriteFile(path, mediatest.WAVBytes(wavePCM, 1, 8000, 16, mediatest.Bytes(pcm)), 0o600))
	p, err := l.Load(t.Context(), path, LoadOptions{Normalise: true, Trim: true})
	mediatest.Must(t, err)
	if d := p.Duration(); d < 1110*time.Millisecond || d > 1125*time.Millisecond {
		t.Errorf("%s", d)
	}
	if got := mediatest.Decibels(activeRMS(p.PCM()) / 32768); got < -20.5 || got > -19.5 {
		t.Errorf("%.1f dBFS", got)
	}
}

func TestLibraryMakesRoomByUse(t *testing.T) {
	dir := t.TempDir()
	const samples = 8000
	l := NewLibrary(LibraryOptions{MaxBytes: 3 * samples * (2 + codec.Slots)})
	path := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%d.wav", i)) }
	for i := range 3 {
		load(t, l, wavFile(t, path(i), samples))
	}
	if s := l.Stats(); s.Bytes != 3*samples*(2+codec.Slots) || s.Evictions != 0 {
		t.Fatalf("at the limit: %+v", s)
	}
	load(t, l, path(0)) // 1 is the oldest now
	load(t, l, wavFile(t, path(3), samples))
	if s := l.Stats(); s.Prompts != 3 || s.Bytes != 3*samples*(2+codec.Slots) || s.Evictions != 1 {
		t.Fatalf("%+v", s)
	}
	misses := l.Stats().Misses
	load(t, l, path(0))
	if l.Stats().Misses != misses {
		t.Error("a used prompt went before an unused one")
	}
	load(t, l, path(1))
	if l.Stats().Misses != misses+1 {
		t.Error("the oldest prompt stayed")
	}
	big := load(t, l, wavFile(t, path(4), 4*samples))
	if s := l.Stats(); big.Frames() != 200 || s.Oversized != 1 || s.Prompts != 3 {
		t.Errorf("an oversized prompt: %+v", s)
	}
}

func TestLibrarySingleFlight(t *testing.T) {
	l := NewLibrary(LibraryOptions{Decoders: 1})
	l.slots <- struct{}{} // the only decoder is busy
	path := wavFile(t, filepath.Join(t.TempDir(), "a.wav"), 8000)
	const callers = 100
	got := make([]*Prompt, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { got[i], _ = l.Load(context.Background(), path, LoadOptions{}) })
	}
	wait(t, func() bool { return l.Stats().Shared == callers-1 })
	<-l.slots
	wg.Wait()
	for _, p := range got {
		if p == nil || p != got[0] {
			t.Fatal("callers got different prompts")
		}
	}
	if s := l.Stats(); s.Misses != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestLibraryCallerMayLeave(t *testing.T) {
	l := NewLibrary(LibraryOptions{Decoders: 1})
	l.slots <- struct{}{}
	path := wavFile(t, filepath.Join(t.TempDir(), "a.wav"), 8000)
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	for range 2 {
		go func() {
			_, err := l.Load(ctx, path, LoadOptions{})
			left <- err
		}()
	}
	wait(t, func() bool { return l.Stats().Shared == 1 })
	cancel()
	for range 2 {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
	}
	// The abandoned job ends; whoever comes next is not given its corpse.
	done := make(chan error)
	go func() {
		_, err := l.Load(context.Background(), path, LoadOptions{})
		done <- err
	}()
	wait(t, func() bool { return l.Stats().Misses == 2 })
	<-l.slots
	mediatest.Must(t, <-done)
	wait(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.loading) == 0 && len(l.slots) == 0
	})
}

func TestLibraryRefusesTooManyAtOnce(t *testing.T) {
	l := NewLibrary(LibraryOptions{})
	for i := range maxLoading {
		l.loading[loadKey{promptKey{path: fmt.Sprint(i)}, stamp{}}] = &loading{}
	}
	path := wavFile(t, filepath.Join(t.TempDir(), "a.wav"), 100)
	if _, err := l.Load(t.Context(), path, LoadOptions{}); fault.CodeOf(err) != fault.Limit {
		t.Fatalf("%v", err)
	}
	if s := l.Stats(); s.Refused != 1 || s.Misses != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestLibraryErrors(t *testing.T) {
	dir := t.TempDir()
	l := NewLibrary(LibraryOptions{MaxFileBytes: 1 << 20, MaxDuration: 10 * time.Second})
	text := filepath.Join(dir, "text.wav")
	mediatest.Must(t, os.WriteFile(text, []byte("not audio at all"), 0o600))
	fifo := filepath.Join(dir, "fifo.wav")
	mediatest.Must(t, syscall.Mkfifo(fifo, 0o600))
	for _, tc := range []struct {
		path, want string
		code       fault.Code
	}{
		{filepath.Join(dir, "none.wav"), "there is no file", fault.NotFound},
		{dir, "is not a file", fault.Media},
		{fifo, "is not a file", fault.Media},
		{text + "/x", "not a directory", fault.Media},
		{"a\x00b.wav", "invalid argument", fault.Media},
		{text, "not a WAVE file", fault.Media},
		{wavFile(t, filepath.Join(dir, "long.wav"), 80001), "longer than 10s", fault.Limit},
		{wavFile(t, filepath.Join(dir, "large.wav"), 600000), "larger than 1 MB", fault.Limit},
	} {
		_, err := l.Load(t.Context(), tc.path, LoadOptions{})
		if fault.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "media: ") {
			t.Errorf("%s: %v (%s)", tc.path, err, fault.CodeOf(err))
		}
	}
	if s := l.Stats(); s.Failures != 8 || s.Prompts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestLoadReader(t *testing.T) {
	l := NewLibrary(LibraryOptions{MaxFileBytes: 1 << 20})
	wav := mediatest.WAVBytes(wavePCM, 1, 16000, 16, mediatest.Bytes(mediatest.Sine(440, 16000, 16000, 5000)))
	p, err := l.LoadReader(t.Context(), bytes.NewReader(wav), "", LoadOptions{})
	mediatest.Must(t, err)
	if p.Duration() != time.Second || l.Stats().Prompts != 0 {
		t.Errorf("%s, %+v", p.Duration(), l.Stats())
	}
	if _, err := l.LoadReader(t.Context(), bytes.NewReader(make([]byte, 1<<20+1)), "wav", LoadOptions{}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("%v", err)
	}
	broken := errors.New("connection reset")
	if _, err := l.LoadReader(t.Context(), iotest.ErrReader(broken), "", LoadOptions{}); !errors.Is(err, broken) || fault.CodeOf(err) != fault.Media {
		t.Errorf("%v", err)
	}
	if _, err := l.LoadReader(t.Context(), strings.NewReader("<html>"), "", LoadOptions{}); fault.CodeOf(err) != fault.Media {
		t.Errorf("%v", err)
	}
}

// zeros are audio of a broken sender: without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestLoadReaderLimit: audio that has no file is held as a whole, so it has a
// bound of its own, however large files may be.
func TestLoadReaderLimit(t *testing.T) {
	l := NewLibrary(LibraryOptions{MaxFileBytes: 4 * maxReaderBytes})
	for size, want := range map[int64]fault.Code{maxReaderBytes: fault.Media, maxReaderBytes + 1: fault.Limit} {
		if _, err := l.LoadReader(t.Context(), io.LimitReader(zeros{}, size), "", LoadOptions{}); fault.CodeOf(err) != want {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func BenchmarkLibraryHit(b *testing.B) {
	l := NewLibrary(LibraryOptions{})
	path := wavFile(b, filepath.Join(b.TempDir(), "a.wav"), 8000)
	for b.Loop() {
		if _, err := l.Load(context.Background(), path, LoadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// wait polls a condition that other goroutines bring about.
func wait(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("the condition never came")
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}
