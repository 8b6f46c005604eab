package speech

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// The test binary is also the fake of every engine: "fake-engine MODE DIR …".
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "fake-engine" {
		fakeEngine(os.Args[2], os.Args[3], os.Args[4:])
	}
	os.Exit(m.Run())
}

// heard is what a fake engine was called with.
type heard struct {
	Args  []string
	Stdin string
	Env   []string
}

// fakeEngine notes its call in dir and behaves as mode says.
func fakeEngine(mode, dir string, args []string) {
	text, _ := io.ReadAll(os.Stdin)
	note, _ := json.Marshal(heard{Args: args, Stdin: string(text), Env: os.Environ()})
	f, err := os.CreateTemp(dir, "call-")
	if err != nil {
		panic(err)
	}
	_, _ = f.Write(note)
	_ = f.Close()
	pcm := make([]byte, 2*24*10*len([]rune(string(text)))) // 10 ms a character
	for i := range pcm {
		pcm[i] = byte(i)
	}
	switch mode {
	case "wav":
		_, _ = os.Stdout.Write(streamed(pcm, 24000))
	case "raw":
		_, _ = os.Stdout.Write(pcm)
	case "fail":
		fmt.Fprintln(os.Stderr, "no such\nvoice")
		os.Exit(3)
	case "silent":
	case "flood":
		for block := make([]byte, 1<<20); ; {
			if _, err := os.Stdout.Write(block); err != nil {
				os.Exit(0)
			}
		}
	case "hang", "orphan", "crash": // with a child of its own that holds the pipe
		c := exec.Command("sleep", "100")
		c.Stdout = os.Stdout
		if err := c.Start(); err != nil {
			panic(err)
		}
		_ = os.WriteFile(filepath.Join(dir, "pids"), fmt.Appendf(nil, "%d %d", os.Getpid(), c.Process.Pid), 0o600)
		switch mode {
		case "hang":
			_ = c.Wait()
		case "crash":
			os.Exit(3)
		}
		_, _ = os.Stdout.Write(streamed(pcm, 24000))
	}
	os.Exit(0)
}

// streamed is a WAV file as engines write it into a pipe: with lengths that
// were guessed before the audio was there.
func streamed(pcm []byte, rate int) []byte {
	b := wrapPCM(pcm, rate)
	binary.LittleEndian.PutUint32(b[4:], 0x7ffff024)
	binary.LittleEndian.PutUint32(b[40:], 0x7ffff000)
	return b
}

// fakeBinary writes a program called name that behaves as mode says, and
// returns its path and the folder of its notes.
func fakeBinary(t *testing.T, name, mode string) (path, notes string) {
	t.Helper()
	notes = t.TempDir()
	path = filepath.Join(t.TempDir(), name)
	script := fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 exec %q fake-engine %s %q \"$@\"\n", os.Args[0], mode, notes)
	must(t, os.WriteFile(path, []byte(script), 0o700))
	return path, notes
}

// calls reads the notes.
func calls(t *testing.T, notes string) (all []heard) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(notes, "call-*"))
	must(t, err)
	for _, name := range names {
		b, err := os.ReadFile(name)
		must(t, err)
		var h heard
		must(t, json.Unmarshal(b, &h))
		all = append(all, h)
	}
	return all
}

// voice is an engine inside the test.
type voice struct {
	name string
	say  func(ctx context.Context, u Utterance) ([]byte, error)

	mu    sync.Mutex
	asked []Utterance
}

func (v *voice) Name() string { return v.name }

func (v *voice) Synthesize(ctx context.Context, u Utterance) ([]byte, error) {
	v.mu.Lock()
	v.asked = append(v.asked, u)
	v.mu.Unlock()
	if v.say == nil {
		return wrapPCM(make([]byte, 2*8*len(u.Text)), 8000), nil // 1 ms a byte
	}
	return v.say(ctx, u)
}

func (v *voice) times() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.asked)
}

// speaker is one with a cache of its own.
func speaker(t *testing.T, chain ...Synthesizer) *Speaker {
	t.Helper()
	return speakerAt(t, Options{Dir: t.TempDir(), Chain: chain})
}

func speakerAt(t *testing.T, o Options) *Speaker {
	t.Helper()
	s, err := New(o)
	must(t, err)
	return s
}

func say(t *testing.T, s *Speaker, text string) Clip {
	t.Helper()
	clip, err := s.Render(context.Background(), Utterance{Text: text, Language: "ru-RU"})
	must(t, err)
	checkWAV(t, clip)
	return clip
}

// checkWAV fails unless the clip is a WAV file whose lengths are right.
func checkWAV(t *testing.T, clip Clip) {
	t.Helper()
	b, err := os.ReadFile(clip.Path)
	must(t, err)
	if len(b) < 46 || string(b[:4]) != "RIFF" || int(binary.LittleEndian.Uint32(b[4:])) != len(b)-8 {
		t.Fatalf("%d bytes, head %q", len(b), b[:min(len(b), 12)])
	}
	at := bytes.Index(b, []byte("data"))
	if at < 0 || int(binary.LittleEndian.Uint32(b[at+4:])) != len(b)-at-8 {
		t.Fatalf("data at %d of %d", at, len(b))
	}
	rate := int(binary.LittleEndian.Uint32(b[24:]))
	if want := time.Duration(float64((len(b)-at-8)/2) / float64(rate) * float64(time.Second)); clip.Duration != want {
		t.Fatalf("duration %s, want %s", clip.Duration, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually polls with a deadline.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	poll, end := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-end:
			t.Fatalf("it did not come: %s", what)
		}
	}
}

func virtual() *clock.Virtual {
	return clock.NewVirtual(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))
}

func contains(all []string, part string) bool {
	return strings.Contains(strings.Join(all, "\x00"), part)
}
