package engine

import (
	"strings"
	"testing"
	"time"

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
		f, err := p.record.Create("c1-answer")
		if err != nil {
			t.Fatal(err)
		}
		w, err := media.NewWAVWriter(f, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WritePCM(make([]int16, 8000)); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		want := "recording.stored"
		if broken {
			want = "recording.failed"
			f.Close() // as a disk that is gone does, it cannot be synced
		}
		p.record.Done(f, "c1-answer", time.Second, nil)
		ev := (<-feed).Event
		if ev.Type != want || ev.Call != "c1" || !strings.Contains(string(ev.Data), `"duration_ms":1000`) || broken != strings.Contains(string(ev.Data), `"message"`) {
			t.Errorf("%+v %s, want %s", ev, ev.Data, want)
		}
	}
	if len(feed) != 0 || p.record.failed.Load() != 1 {
		t.Errorf("%d more events, %d failed", len(feed), p.record.failed.Load())
	}
}
