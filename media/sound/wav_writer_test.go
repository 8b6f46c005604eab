package sound

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

func newRecording(t *testing.T, channels int) (*WAVWriter, *os.File) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "r.wav"))
	mediatest.Must(t, err)
	t.Cleanup(func() { f.Close() })
	w, err := NewWAVWriter(f, channels)
	mediatest.Must(t, err)
	return w, f
}

// played is what a strict player hears: exactly the bytes the header counts.
func played(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	mediatest.Must(t, err)
	w, err := newWAVReader(bytes.NewReader(b))
	mediatest.Must(t, err)
	if w.left < 0 {
		w.left = 0 // the header says 0: a strict player hears nothing
	}
	if int64(len(b)) < WAVHeaderBytes+w.left {
		t.Fatalf("the header counts %d bytes, the file has %d", w.left, len(b)-WAVHeaderBytes)
	}
	got, err := readAll(w)
	mediatest.Must(t, err)
	return got
}

func TestWAVWriterIsPlayableAfterEveryFlush(t *testing.T) {
	w, f := newRecording(t, 1)
	pcm := mediatest.Sine(440, 8000, 100000, 10000)
	if got := played(t, f.Name()); len(got) != 0 {
		t.Fatalf("new file: %d samples", len(got))
	}
	for at := 0; at < len(pcm); at += 1000 {
		mediatest.Must(t, w.WritePCM(pcm[at:at+1000]))
		if w.Samples() != int64(at+1000) {
			t.Fatalf("%d samples", w.Samples())
		}
		if at%5000 == 0 {
			mediatest.Must(t, w.Flush())
			if got := played(t, f.Name()); len(got) != at+1000 {
				t.Fatalf("%d samples after a flush at %d", len(got), at+1000)
			}
		}
		// A kill may come now: whatever is there must be audio of ours.
		for i, v := range played(t, f.Name()) {
			if v != float32(pcm[i]) {
				t.Fatalf("sample %d", i)
			}
		}
	}
	mediatest.Must(t, w.Flush())
	if got := played(t, f.Name()); len(got) != len(pcm) {
		t.Fatalf("%d samples at the end", len(got))
	}
}

func TestWAVWriterStereo(t *testing.T) {
	w, f := newRecording(t, 2)
	mediatest.Must(t, w.WritePCM([]int16{1000, 3000, 5000, 7000, 9})) // an odd sample is no frame
	mediatest.Must(t, w.Flush())
	if got := played(t, f.Name()); len(got) != 2 || got[0] != 2000 || got[1] != 6000 {
		t.Fatalf("%v", got)
	}
	if w.Samples() != 2 {
		t.Fatalf("%d", w.Samples())
	}
	if _, err := NewWAVWriter(f, 3); fault.CodeOf(err) != fault.Invalid {
		t.Fatalf("3 channels: %v", err)
	}
}

func TestWAVWriterStopsAtItsLimit(t *testing.T) {
	w, _ := newRecording(t, 1)
	w.written = MaxWAVBytes - 100
	mediatest.Must(t, w.WritePCM(make([]int16, 50)))
	err := w.WritePCM(make([]int16, 1))
	if !errors.Is(err, ErrWAVFull) || fault.CodeOf(err) != fault.Limit {
		t.Fatalf("%v", err)
	}
	if err := w.Flush(); !errors.Is(err, ErrWAVFull) {
		t.Fatalf("a full writer goes on: %v", err)
	}
}

// brokenFile fails after some bytes, as a full disk does.
type brokenFile struct {
	room   int
	header int
}

var errDiskFull = errors.New("no space left on device")

func (f *brokenFile) Write(b []byte) (int, error) {
	n := min(len(b), f.room)
	f.room -= n
	if n < len(b) {
		return n, errDiskFull
	}
	return n, nil
}

func (f *brokenFile) WriteAt(b []byte, _ int64) (int, error) { f.header++; return len(b), nil }

func TestWAVWriterReportsAFullDisk(t *testing.T) {
	if _, err := NewWAVWriter(&brokenFile{room: 10}, 1); !errors.Is(err, errDiskFull) {
		t.Fatalf("%v", err)
	}
	file := &brokenFile{room: WAVHeaderBytes + 1000}
	w, err := NewWAVWriter(file, 1)
	mediatest.Must(t, err)
	mediatest.Must(t, w.WritePCM(make([]int16, 600)))
	if err := w.Flush(); !errors.Is(err, errDiskFull) {
		t.Fatalf("%v", err)
	}
	if file.header != 0 {
		t.Fatal("the header counts audio that is not there")
	}
	if err := w.WritePCM(make([]int16, 1)); !errors.Is(err, errDiskFull) {
		t.Fatalf("a dead writer goes on: %v", err)
	}
}

func TestRepairWAV(t *testing.T) {
	pcm := mediatest.Sine(440, 8000, 1000, 10000)
	header := WAVHeader(1)
	audio := mediatest.Bytes(pcm)
	whole := slicesOf(header, audio)
	counted := bytes.Clone(whole)
	writeSizes(counted, len(audio))
	toomuch := bytes.Clone(whole)
	writeSizes(toomuch, 1<<20)
	for _, tc := range []struct {
		name    string
		file    []byte
		changed bool
		samples int
	}{
		{"finished", counted, false, 1000},
		{"header only", header, false, 0},
		{"never counted", whole, true, 1000},
		{"half a sample", whole[:len(whole)-1], true, 999},
		{"counts more than there is", toomuch, true, 1000},
	} {
		path := filepath.Join(t.TempDir(), "r.wav")
		mediatest.Must(t, os.WriteFile(path, tc.file, 0o600))
		changed, err := RepairWAV(path)
		if err != nil || changed != tc.changed {
			t.Errorf("%s: changed %v, %v", tc.name, changed, err)
		}
		if got := played(t, path); len(got) != tc.samples {
			t.Errorf("%s: %d samples", tc.name, len(got))
		}
		if again, err := RepairWAV(path); again || err != nil {
			t.Errorf("%s: a second repair changed it: %v", tc.name, err)
		}
	}
}

func writeSizes(b []byte, audio int) {
	f := &memoryFile{b: b}
	WriteWAVSizes(f, int(b[22]), int64(audio))
}

type memoryFile struct{ b []byte }

func (f *memoryFile) WriteAt(p []byte, at int64) (int, error) { return copy(f.b[at:], p), nil }

func TestRepairLeavesOtherFilesAlone(t *testing.T) {
	for name, file := range map[string][]byte{
		"empty":       {},
		"text":        []byte("this is a text that is longer than a header of a file"),
		"another WAV": mediatest.WAVBytes(wavePCM, 1, 44100, 16, make([]byte, 100)),
		"3 channels":  mediatest.WAVBytes(wavePCM, 3, 8000, 16, make([]byte, 100)),
	} {
		path := filepath.Join(t.TempDir(), "x.wav")
		mediatest.Must(t, os.WriteFile(path, file, 0o600))
		if changed, err := RepairWAV(path); changed || err == nil {
			t.Errorf("%s: %v %v", name, changed, err)
		}
		after, _ := os.ReadFile(path)
		if !bytes.Equal(after, file) {
			t.Errorf("%s was changed", name)
		}
	}
	if _, err := RepairWAV(filepath.Join(t.TempDir(), "none.wav")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestWAVWriterDoesNotAllocate(t *testing.T) {
	w, err := NewWAVWriter(&nullFile{}, 1)
	mediatest.Must(t, err)
	frame := make([]int16, audio.FrameSamples)
	if n := testing.AllocsPerRun(1000, func() { w.WritePCM(frame) }); n > 0.01 {
		t.Fatalf("%v allocations a frame", n)
	}
}

type nullFile struct{ io.WriterAt }

func (nullFile) Write(b []byte) (int, error)            { return len(b), nil }
func (nullFile) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
