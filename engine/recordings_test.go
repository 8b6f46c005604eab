package engine

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/need"
	"github.com/loopstart/loopstart/media"
)

// TestOneEventForARecording: stored or failed, once, also when its call is gone.
func TestOneEventForARecording(t *testing.T) {
	p := serve(t, "", map[string]string{"a.js": "export default async () => {};"})
	_, feed, stop, ok := p.feed.Listen(0)
	if !ok {
		t.Fatal("nobody may listen")
	}
	defer stop()
	for _, broken := range []bool{false, true} {
		f := p.second(t, "c1-answer")
		want := "recording.stored"
		if broken {
			want = "recording.failed"
			f.Close() // as a disk that is gone does, it cannot be synced
		}
		p.record.Done(f, call.Recorded{ID: "c1-answer", Duration: time.Second}, nil)
		ev := (<-feed).Event
		if ev.Type != want || ev.Call != "c1" || !strings.Contains(string(ev.Data), `"duration_ms":1000`) || broken != strings.Contains(string(ev.Data), `"message"`) {
			t.Errorf("%+v %s, want %s", ev, ev.Data, want)
		}
	}
	if len(feed) != 0 || p.record.failed.Load() != 1 {
		t.Errorf("%d more events, %d failed", len(feed), p.record.failed.Load())
	}
}

// second is a recording of a second of tone that is about to be over.
func (p *project) second(t *testing.T, id string) *os.File {
	t.Helper()
	f, err := p.record.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, media.SampleRate)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*440*float64(i)/media.SampleRate))
	}
	w, err := media.NewWAVWriter(f, 1)
	if err == nil {
		err = w.WritePCM(pcm)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFormatsOfRecordings: a recording becomes what was asked for, is found by
// its id, plays, and goes with its call; one that cannot become it stays WAV.
func TestFormatsOfRecordings(t *testing.T) {
	need.Program(t, "lame", "apt install lame")
	p := serve(t, "recordings: {format: ogg}\n", map[string]string{"a.js": "export default async () => {};"})
	_, feed, stop, _ := p.feed.Listen(0)
	defer stop()
	for id, c := range map[string]struct{ format, becomes string }{"c1": {"", "ogg"}, "c2": {"mp3", "mp3"}, "c3": {"wav", "wav"}} {
		p.record.Done(p.second(t, id), call.Recorded{ID: id, Format: c.format, Duration: time.Second}, nil)
		if ev := (<-feed).Event; ev.Type != "recording.stored" || !strings.Contains(string(ev.Data), `"format":"`+c.becomes+`"`) {
			t.Errorf("%s: %+v %s", id, ev, ev.Data)
		}
		files, err := filepath.Glob(filepath.Join(p.record.dir, id+".*"))
		if err != nil || len(files) != 1 || filepath.Ext(files[0]) != "."+c.becomes {
			t.Fatalf("%s: %v %v", id, files, err)
		}
		audio, err := media.NewLibrary(media.LibraryOptions{}).Load(t.Context(), files[0], media.LoadOptions{})
		if err != nil || audio.Duration() < 900*time.Millisecond || audio.Duration() > 1300*time.Millisecond {
			t.Errorf("%s: %v %v", id, audio, err)
		}
		if f, err := p.record.Open(id); err != nil {
			t.Error(err)
		} else {
			f.Close()
		}
	}
	if n, err := p.record.erase([]string{"c1", "c2", "c3"}); n != 3 || err != nil {
		t.Errorf("%d erased, %v", n, err)
	}

	p.record.child = func() *exec.Cmd { return exec.Command("false") }
	p.record.Done(p.second(t, "c4"), call.Recorded{ID: "c4", Duration: time.Second}, nil)
	if ev := (<-feed).Event; ev.Type != "recording.stored" || !strings.Contains(string(ev.Data), `"format":"wav"`) {
		t.Errorf("%+v %s", ev, ev.Data)
	}
	if left, _ := filepath.Glob(filepath.Join(p.record.dir, "*")); len(left) != 1 || p.record.unconverted.Load() != 1 {
		t.Errorf("left: %v", left)
	}
	if err := p.record.Format("flac"); fault.CodeOf(err) != fault.Invalid {
		t.Error(err)
	}
}
