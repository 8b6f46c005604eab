package media

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/sound"
)

// TestRestWhileRecording records one conversation with and without rest: the
// recordings end at the same time and hold the same sounds at the same places.
func TestRestWhileRecording(t *testing.T) {
	if testing.Short() {
		t.Skip("long recordings")
	}
	type outcome struct {
		said  []string
		loud  [][]int // per recording, the tenths of a second with sound
		sizes []int64
		sent  int
	}
	story := func(rests bool) (o outcome) {
		q := newQuiet(t, rests, nil)
		dir := t.TempDir()
		var files []*os.File
		record := func(r RecorderOptions) {
			f, err := os.Create(filepath.Join(dir, fmt.Sprint(len(files))))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
			q.a.Record(NewRecorder(f, r))
		}
		q.clk.Advance(time.Second)
		record(RecorderOptions{Stereo: true})
		record(RecorderOptions{MaxDuration: 25 * time.Minute})
		record(RecorderOptions{Silence: 90 * time.Second, Mixed: true})
		q.clk.Advance(time.Minute)
		q.b.Play(Playback{Parts: []*sound.Prompt{spoken(7, 700*time.Millisecond)}})
		q.clk.Advance(10 * time.Minute)
		q.a.Play(Playback{Parts: []*sound.Prompt{spoken(8, 300*time.Millisecond)}})
		q.clk.Advance(49 * time.Minute)
		o.sent = int(q.a.Stats().Sent)
		q.a.Close()
		q.clk.Advance(time.Second)
		o.said = q.said
		for _, f := range files {
			o.loud, o.sizes = append(o.loud, sounding(t, f)), append(o.sizes, size(t, f))
			_ = f.Close()
		}
		return o
	}
	with, without := story(true), story(false)
	if !slices.Equal(with.said, without.said) {
		t.Errorf("with rest:\n%s\nwithout:\n%s", strings.Join(with.said, "\n"), strings.Join(without.said, "\n"))
	}
	if n := strings.Count(strings.Join(with.said, "\n"), fmt.Sprintf("kind %d ", RecordEnded)); n != 3 {
		t.Errorf("%d recordings have ended", n)
	}
	for i := range with.loud {
		if !slices.Equal(with.loud[i], without.loud[i]) || with.sizes[i] != without.sizes[i] || len(with.loud[i]) == 0 {
			t.Errorf("recording %d: %d bytes, sound at %v; without rest %d bytes, %v", i, with.sizes[i], with.loud[i], without.sizes[i], without.loud[i])
		}
	}
	if with.sent*20 > without.sent {
		t.Errorf("%d packets were sent with rest, %d without", with.sent, without.sent)
	}
}

func size(t *testing.T, f *os.File) int64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// sounding are the tenths of a second of a recording that are not silent; a
// companded silence is not quite zero.
func sounding(t *testing.T, f *os.File) (out []int) {
	t.Helper()
	raw, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	const header, tenth = 44, 2 * audio.SampleRate / 10
	for i := header; i+tenth <= len(raw); i += tenth {
		sum := 0
		for j := i; j < i+tenth; j += 2 {
			v := int(int16(uint16(raw[j]) | uint16(raw[j+1])<<8))
			sum += max(v, -v)
		}
		if sum > audio.VoiceLevel*tenth/2 {
			out = append(out, (i-header)/tenth)
		}
	}
	return out
}
