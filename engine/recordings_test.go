package engine

import (
	"cmp"
	"encoding/json"
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
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/sound"
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

// TestARecordThatWasKeptLearnsOfItsRecording: the disk may fail after the call.
func TestARecordThatWasKeptLearnsOfItsRecording(t *testing.T) {
	p := serve(t, "", map[string]string{"a.js": "export default async () => {};"})
	of := func(id string) (r call.Record) {
		t.Helper()
		row, ok, err := p.store.GetRecord(id)
		if err != nil || !ok || json.Unmarshal(row.JSON, &r) != nil || row.Order != "c" {
			t.Fatal(row, ok, err)
		}
		return r
	}
	for _, id := range []string{"c.1", "c.2"} {
		p.putRecord(call.Record{ID: id, Order: "c", StartedAt: p.clk.Now(), Recording: id})
	}
	empty, err := p.record.Create("c.1", "")
	if err != nil {
		t.Fatal(err)
	}
	p.record.Done(empty, call.Recorded{ID: "c.1"}, fault.New(fault.Media, "no space"))
	if r := of("c.1"); r.Recording != "" || r.Unrecorded != "c.1: no space" {
		t.Errorf("lost: %q %q", r.Recording, r.Unrecorded)
	}
	if _, err := p.record.stored("c.1"); err == nil {
		t.Error("a file that holds nothing is left")
	}
	p.record.Done(p.second(t, "c.2"), call.Recorded{ID: "c.2"}, fault.New(fault.Media, "no space"))
	if r := of("c.2"); r.Recording != "c.2" || r.Unrecorded != "c.2: no space" {
		t.Errorf("cut short: %q %q", r.Recording, r.Unrecorded)
	}
}

// TestACutCallEndsWithItsProcess: at the last beat of that, as an estimate.
func TestACutCallEndsWithItsProcess(t *testing.T) {
	p := serve(t, "", map[string]string{"a.js": "export default async () => {};"})
	begun := p.clk.Now().Add(-time.Minute).Round(0)
	answered := begun.Add(2 * time.Second)
	for _, c := range []struct {
		was, ended time.Time
		talk       int64
	}{{begun.Add(30 * time.Second), begun.Add(30 * time.Second), 28000}, {begun.Add(time.Second), answered, 0}, {time.Time{}, answered, 0}} {
		p.pulse.was = c.was
		p.live.finish(&call.Record{ID: "x.1", Order: "x", StartedAt: begun, AnsweredAt: &answered})
		var r call.Record
		row, _, err := p.store.GetRecord("x.1")
		if err != nil || json.Unmarshal(row.JSON, &r) != nil || !r.EndedAt.Equal(c.ended) || r.TalkMs != c.talk || !r.Estimated {
			t.Errorf("alive %v: ended %v, talked %d ms, %v", c.was, r.EndedAt, r.TalkMs, err)
		}
	}
	p.ring(t, "a", "")
	eventually(t, "a beat", func() bool {
		raw, _, err := p.store.Space("pulse").Get(pulseKey)
		at, perr := time.Parse(time.RFC3339Nano, string(raw))
		return err == nil && perr == nil && !at.Before(begun)
	})
}

// second is a recording of a second of tone that is about to be over.
func (p *project) second(t *testing.T, id string) *os.File {
	t.Helper()
	f, err := p.record.Create(id, "")
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, audio.SampleRate)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*440*float64(i)/audio.SampleRate))
	}
	w, err := sound.NewWAVWriter(f, 1)
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
		audio, err := sound.NewLibrary(sound.LibraryOptions{}).Load(t.Context(), files[0], sound.LoadOptions{})
		if err != nil || audio.Duration() < 900*time.Millisecond || audio.Duration() > 1300*time.Millisecond {
			t.Errorf("%s: %v %v", id, audio, err)
		}
		sent, err := p.record.read(id, 1<<20)
		if err != nil || sent.Name != id+"."+c.becomes || sent.Type != audioTypes["."+c.becomes] {
			t.Errorf("%s: sent as %s, %s: %v", id, sent.Name, sent.Type, err)
		}
		told, err := (*surface)(p.Engine).Recording(id)
		if err != nil || told.Name != sent.Name || told.Type != sent.Type {
			t.Errorf("%s: served as %s, %s: %v", id, told.Name, told.Type, err)
		} else {
			told.File.Close()
		}
		portal, err := p.record.read(id, 1<<20, ".wav", ".mp3")
		if want := map[string]string{"ogg": "wav"}[c.becomes]; err != nil || portal.Name != id+"."+cmp.Or(want, c.becomes) {
			t.Errorf("%s: for who takes no Ogg it is %s: %v", id, portal.Name, err)
		} else if want == "wav" && (string(portal.Data[:4]) != "RIFF" || len(portal.Data) < 14400 || len(portal.Data) > 20800) {
			t.Errorf("%s: %d bytes of %.4s", id, len(portal.Data), portal.Data)
		}
		if _, err := p.record.read(id, 10); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: longer than is wanted: %v", id, err)
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

// TestRecordingsOfAKilledProcess: what was begun and not told is finished by the
// next process, in the format that was asked for, and told once.
func TestRecordingsOfAKilledProcess(t *testing.T) {
	p := serve(t, "recordings: {format: ogg}\n", map[string]string{"a.js": "export default async () => {};"})
	_, feed, stop, _ := p.feed.Listen(0)
	defer stop()
	p.putRecord(call.Record{ID: "c1.1", Order: "c1", Key: "k", StartedAt: p.clk.Now()})
	p.second(t, "c1.1").Close()   // in the middle of the talk
	p.second(t, "c1.1-2").Close() // was becoming Ogg
	if err := p.record.begin("c1.1-2", pending{"wav", 1000}); err != nil {
		t.Fatal(err)
	}
	f := p.second(t, "c1.1-3") // has become Ogg, and was not told
	p.record.done = func(call.Recorded, error) {}
	p.record.Done(f, call.Recorded{ID: "c1.1-3", Duration: time.Second}, nil)
	p.record.done = p.recordingDone
	if err := p.record.begin("c1.1-3", pending{"ogg", 1000}); err != nil {
		t.Fatal(err)
	}
	if f, err := p.record.Create("c1.1-4", ""); err != nil {
		t.Fatal(err)
	} else {
		f.Close() // nothing was written
	}
	p.resumeRecordings()
	want := map[string]string{"c1.1": "recording.stored ogg", "c1.1-2": "recording.stored wav", "c1.1-3": "recording.stored ogg", "c1.1-4": "recording.failed wav"}
	for range len(want) {
		ev := (<-feed).Event
		var data struct {
			ID, Format string
			Duration   int64 `json:"duration_ms"`
		}
		if err := json.Unmarshal(ev.Data, &data); err != nil {
			t.Fatal(err)
		}
		if got := ev.Type + " " + data.Format; got != want[data.ID] || ev.Call != "c1.1" || ev.Order != "c1" || ev.Key != "k" || ev.EventID != "recording-"+data.ID {
			t.Errorf("%s: %s, want %s; %+v", data.ID, got, want[data.ID], ev)
		}
		if ev.Type == "recording.stored" && data.Duration != 1000 {
			t.Errorf("%s: %d ms", data.ID, data.Duration)
		}
		delete(want, data.ID)
	}
	p.wg.Wait()
	if len(want) != 0 || len(p.record.cut()) != 0 || len(feed) != 0 {
		t.Errorf("missing %v, left %v", want, p.record.cut())
	}
}
