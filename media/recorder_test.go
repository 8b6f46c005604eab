package media

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// readWAV returns the samples of a recording and checks its header.
func readWAV(t testing.TB, f *os.File, channels int) []int16 {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < sound.WAVHeaderBytes {
		t.Fatalf("%d bytes", len(b))
	}
	if want := sound.WAVHeader(channels); !bytes.Equal(b[8:sound.WAVHeaderBytes-4], want[8:sound.WAVHeaderBytes-4]) {
		t.Fatalf("header % x", b[:sound.WAVHeaderBytes])
	}
	audio := binary.LittleEndian.Uint32(b[sound.WAVHeaderBytes-4:])
	if int(audio) != len(b)-sound.WAVHeaderBytes || binary.LittleEndian.Uint32(b[4:]) != audio+sound.WAVHeaderBytes-8 {
		t.Fatalf("header says %d bytes of audio, there are %d", audio, len(b)-sound.WAVHeaderBytes)
	}
	pcm := make([]int16, audio/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(b[sound.WAVHeaderBytes+2*i:]))
	}
	return pcm
}

func split(pcm []int16) (left, right []int16) {
	for i := 0; i+1 < len(pcm); i += 2 {
		left, right = append(left, pcm[i]), append(right, pcm[i+1])
	}
	return left, right
}

// monologue sends frames with losses and reordering and returns what a perfect
// recording holds from the first frame on.
func (p *party) monologue(n int, lost map[int]bool, swapped map[int]bool) (func(ms int), []int16) {
	want := make([]int16, n*audio.FrameSamples)
	base, ts := p.seq+1, p.ts
	send := func(i int) {
		if i < n && !lost[i] {
			p.sendFrom(p.conn, codec.PCMA.PT, false, base+uint16(i), ts+uint32(i*audio.FrameSamples), voice(i))
		}
	}
	for i := range n {
		if !lost[i] {
			codec.PCMA.Decode(want[i*audio.FrameSamples:(i+1)*audio.FrameSamples], voice(i))
		}
	}
	return func(ms int) {
		if ms%20 != 7 {
			return
		}
		i := ms / 20
		switch {
		case swapped[i]:
		case swapped[i-1]:
			send(i)
			send(i - 1)
		default:
			send(i)
		}
	}, want
}

func find(t *testing.T, pcm, want []int16) int {
	t.Helper()
	for at := 0; at+len(want) <= len(pcm); at++ {
		i := 0
		for i < len(want) && pcm[at+i] == want[i] {
			i++
		}
		if i == len(want) {
			return at
		}
	}
	t.Fatal("the audio is not in the recording, sample by sample")
	return 0
}

// findAround is find for audio with frames lost: each of them is concealed, and
// no more than the seam after it differs.
func findAround(t *testing.T, pcm, want []int16, lost ...int) int {
	t.Helper()
	at := find(t, pcm, want[:lost[0]*audio.FrameSamples])
	pcm = pcm[at:]
	from := 0
	for _, i := range append(lost, len(want)/audio.FrameSamples) {
		to := i * audio.FrameSamples
		for j := from; j < to; j++ {
			if pcm[j] != want[j] {
				t.Fatalf("sample %d of frame %d differs", j%audio.FrameSamples, j/audio.FrameSamples)
			}
		}
		if to < len(want) && !audio.Loud(pcm[to:to+audio.FrameSamples]) {
			t.Fatalf("frame %d is lost and not concealed", i)
		}
		from = to + audio.FrameSamples + concealSeam
	}
	return at
}

func TestRecordingIsBitExactByTimestamp(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(60*time.Millisecond, nil, p)
	f := tempFile(t)
	r := NewRecorder(f, RecorderOptions{})
	p.s.Record(r)
	talk, want := p.monologue(300, map[int]bool{50: true, 51: true, 200: true}, map[int]bool{20: true, 100: true})
	st.run(6100*time.Millisecond, talk, p)
	p.s.StopRecord(r)
	st.run(100*time.Millisecond, nil, p)
	pcm := readWAV(t, f, 1)
	if at := findAround(t, pcm, want, 50, 51, 200); at > 2*audio.FrameSamples {
		t.Fatalf("begins %d samples late", at)
	}
	ended := p.events.of(RecordEnded)
	if len(ended) != 1 || ended[0].Recorder != r || ended[0].Reason != ReasonStopped {
		t.Fatalf("%+v", ended)
	}
	if ms := len(pcm) / 8; ended[0].DurationMs != ms || ms < 6080 || ms > 6120 {
		t.Fatalf("%d ms in the file, %+v", ms, ended[0])
	}
	if st.engine.Stats().Recordings != 0 {
		t.Fatal("still counted")
	}
}

func TestStereoHasTheCallerLeftAndThePromptRight(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(60*time.Millisecond, nil, p)
	f := tempFile(t)
	p.s.Record(NewRecorder(f, RecorderOptions{Stereo: true}))
	prompt := ramp(40)
	p.s.Play(Playback{Parts: []*sound.Prompt{prompt}})
	talk, said := p.monologue(50, nil, nil)
	st.run(1200*time.Millisecond, talk, p)
	p.s.StopRecord()
	st.run(100*time.Millisecond, nil, p)
	left, right := split(readWAV(t, f, 2))
	find(t, left, said)
	find(t, right, decoded(framesOf(codec.PCMA, prompt)))
}

func decoded(frames [][]byte) []int16 {
	pcm := make([]int16, len(frames)*audio.FrameSamples)
	for i, f := range frames {
		codec.PCMA.Decode(pcm[i*audio.FrameSamples:], f)
	}
	return pcm
}

func TestStereoOfABridge(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	a.s.Bridge(b.s)
	st.run(200*time.Millisecond, both(a.talk(1), b.talk(2)), a, b)
	f := tempFile(t)
	a.s.Record(NewRecorder(f, RecorderOptions{Stereo: true}))
	st.run(20*time.Millisecond, nil, a, b)
	a.ts += audio.FrameSamples
	b.ts += audio.FrameSamples
	ta, wantA := a.monologue(100, nil, nil)
	tb, wantB := b.monologue(100, map[int]bool{30: true}, nil)
	st.run(2100*time.Millisecond, both(ta, tb), a, b)
	a.s.StopRecord()
	st.run(100*time.Millisecond, nil, a, b)
	left, right := split(readWAV(t, f, 2))
	la, lb := find(t, left, wantA), find(t, right, wantB)
	if d := la - lb; d > 2*audio.FrameSamples || d < -2*audio.FrameSamples {
		t.Fatalf("the channels are %d samples apart", d)
	}
}

func TestMixedMonoAddsBoth(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(60*time.Millisecond, nil, p)
	mixed, stereo := tempFile(t), tempFile(t)
	p.s.Record(NewRecorder(mixed, RecorderOptions{Mixed: true}))
	p.s.Record(NewRecorder(stereo, RecorderOptions{Stereo: true}))
	p.s.Play(Playback{Parts: []*sound.Prompt{ramp(40)}})
	talk, _ := p.monologue(50, nil, nil)
	st.run(1200*time.Millisecond, talk, p)
	p.s.StopRecord()
	st.run(100*time.Millisecond, nil, p)
	mono := readWAV(t, mixed, 1)
	left, right := split(readWAV(t, stereo, 2))
	if len(mono) != len(left) {
		t.Fatalf("%d and %d samples", len(mono), len(left))
	}
	for i := range mono {
		if mono[i] != audio.Clip(int32(left[i])+int32(right[i])) {
			t.Fatalf("sample %d: %d of %d and %d", i, mono[i], left[i], right[i])
		}
	}
}

func TestPauseAndMaskAreSilence(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	talk := p.talk(7)
	st.run(60*time.Millisecond, talk, p)
	f := tempFile(t)
	r := NewRecorder(f, RecorderOptions{Stereo: true})
	p.s.Record(r)
	p.s.Play(Playback{Parts: []*sound.Prompt{ramp(500)}})
	part := func(change func()) {
		change()
		st.run(time.Second, talk, p)
	}
	part(func() {})
	part(func() { r.Pause(true) })
	part(func() { r.Pause(false); r.Mask(true) })
	part(func() { r.Mask(false) })
	p.s.StopRecord()
	st.run(100*time.Millisecond, nil, p)
	left, right := split(readWAV(t, f, 2))
	want := []struct{ left, right bool }{{true, true}, {false, false}, {false, true}, {true, true}}
	for i, w := range want {
		from, to := i*audio.SampleRate+1000, (i+1)*audio.SampleRate-1000
		if got := sounds(left[from:to]); got != w.left {
			t.Errorf("second %d: party %v", i, got)
		}
		if got := sounds(right[from:to]); got != w.right {
			t.Errorf("second %d: prompt %v", i, got)
		}
	}
}

// sounds reports whether there is anything above the smallest code word.
func sounds(pcm []int16) bool {
	for _, v := range pcm {
		if v > 8 || v < -8 {
			return true
		}
	}
	return false
}

func TestRecordingEndsByItself(t *testing.T) {
	for _, tt := range []struct {
		name     string
		opts     RecorderOptions
		talkMs   int
		reason   string
		from, to int
	}{
		{"max", RecorderOptions{MaxDuration: 1500 * time.Millisecond}, 5000, ReasonMax, 1500, 1500},
		{"silence", RecorderOptions{Silence: time.Second}, 2000, ReasonSilence, 2980, 3040},
		{"never a word", RecorderOptions{Silence: time.Second}, 0, ReasonSilence, 1000, 1020},
	} {
		st := newStudio(t, 1)
		p := st.leg(nil)
		st.run(60*time.Millisecond, nil, p)
		f := tempFile(t)
		p.s.Record(NewRecorder(f, tt.opts))
		talk := p.talk(1)
		st.run(4*time.Second, func(ms int) {
			if ms < tt.talkMs {
				talk(ms)
			}
		}, p)
		ended := p.events.of(RecordEnded)
		if len(ended) != 1 || ended[0].Reason != tt.reason || ended[0].DurationMs < tt.from || ended[0].DurationMs > tt.to {
			t.Errorf("%s: %+v", tt.name, ended)
			continue
		}
		if n := len(readWAV(t, f, 1)); n/8 != ended[0].DurationMs {
			t.Errorf("%s: %d samples", tt.name, n)
		}
	}
}

func TestFullDiskEndsTheRecordingNotTheCall(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	st := newStudio(t, 1)
	p := st.leg(nil)
	p.s.Record(NewRecorder(full, RecorderOptions{Stereo: true}))
	st.run(3*time.Second, p.talk(1), p)
	ended := p.events.of(RecordEnded)
	if len(ended) != 1 || ended[0].Reason != ReasonDisk || ended[0].DurationMs != 0 {
		t.Fatalf("%+v", ended)
	}
	if stats := st.engine.Stats(); stats.WriteErrors != 1 || stats.Recordings != 0 {
		t.Fatalf("%+v", stats)
	}
	steady(t, p.packets, 0)
}

// A disk that does not keep up: the chunks of a time are missing, which is
// silence in the file, and everything after it is in its place.
func TestSlowDiskThinsTheRecording(t *testing.T) {
	f := tempFile(t)
	r := NewRecorder(f, RecorderOptions{})
	st := newStudio(t, 1)
	p := st.open(nil)
	if !r.claim(p.s.recordOwner()) || r.claim(p.s.recordOwner()) {
		t.Fatal("a recorder is lent once")
	}
	r.begin(0)
	chunkFrames := recordChunk / 2 / audio.FrameSamples
	stolen := [][]byte{}
	for i := range 5 * chunkFrames {
		if i == chunkFrames { // the writers have not given the first chunk back
			for len(r.free) > 0 {
				stolen = append(stolen, <-r.free)
			}
		}
		if i == 3*chunkFrames {
			for range recordChunks {
				r.free <- make([]byte, 0, recordChunk)
			}
		}
		for j := range audio.FrameSamples {
			r.keep(int16(i+1), int16(j))
			r.done++
		}
	}
	if r.Thinned() == 0 {
		t.Fatal("nothing is missing")
	}
	r.reason = ReasonStopped
	if !r.last(st.clk.Now()) {
		t.Fatal("no room for the end")
	}
	st.clk.Settle()
	pcm := readWAV(t, f, 1)
	if len(pcm) != 5*chunkFrames*audio.FrameSamples {
		t.Fatalf("%d samples", len(pcm))
	}
	holes := 0
	for i, v := range pcm {
		if v == 0 {
			holes++
		} else if int(v) != i/audio.FrameSamples+1 {
			t.Fatalf("sample %d is of frame %d", i, v-1)
		}
	}
	if int64(holes) != r.thinned.Load() || len(stolen) == 0 {
		t.Fatalf("%d samples of silence, %d counted", holes, r.thinned.Load())
	}
}

// What a process that is killed loses: all but the last second is in the file,
// and its header says so, at every moment.
func TestAKillLosesLessThanASecond(t *testing.T) {
	for _, o := range []RecorderOptions{{}, {Stereo: true}} {
		st := newStudio(t, 1)
		p := st.leg(nil)
		f := tempFile(t)
		r := NewRecorder(f, o)
		p.s.Record(r)
		say := p.talk(1)
		for range 40 {
			st.run(100*time.Millisecond, say, p)
		}
		st.clk.Settle()
		pcm := readWAV(t, f, r.channels)
		if kept := time.Duration(len(pcm)/r.channels) * time.Second / audio.SampleRate; kept <= 3*time.Second {
			t.Errorf("%+v: %v of 4 s are in the file", o, kept)
		}
		p.s.Close()
	}
}

func TestWriterQueueIsBoundedAndKeepsRoomForEnds(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	r := NewRecorder(tempFile(t), RecorderOptions{})
	r.owner = p.s.recordOwner()
	pool := &writerPool{clk: st.clk}
	for i := range pool.queues {
		pool.queues[i] = make(chan writeJob, writerQueue/writerCount)
	}
	n := 0
	for pool.write(writeJob{rec: r}) {
		n++
	}
	if most := (writerQueue - writerReserve) / writerCount; n < most || n > most+1 {
		t.Fatalf("%d chunks queued, want %d", n, most)
	}
	for range writerReserve/writerCount - 1 {
		if !pool.write(writeJob{rec: r, final: true}) {
			t.Fatal("no room for the end of a recording")
		}
	}
	for pool.write(writeJob{rec: r, final: true}) {
		n++
	}
	if pool.thinned.Load() == 0 {
		t.Fatal("not counted")
	}
	st.clk.Busy(-len(pool.queues[p.s.id%writerCount]))
}

func TestRecordingsPerSessionAndOnClose(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	var files []*os.File
	for range recordersPerSession + 1 {
		f := tempFile(t)
		files = append(files, f)
		p.s.Record(NewRecorder(f, RecorderOptions{}))
	}
	st.run(500*time.Millisecond, p.talk(1), p)
	if ended := p.events.of(RecordEnded); len(ended) != 1 || ended[0].Reason != ReasonLimit || ended[0].Recorder.File() != files[recordersPerSession] {
		t.Fatalf("%+v", ended)
	}
	p.s.Close()
	st.run(100*time.Millisecond, nil, p)
	ended := p.events.of(RecordEnded)
	if len(ended) != recordersPerSession+1 || ended[1].Reason != ReasonClosed || ended[1].DurationMs < 440 {
		t.Fatalf("%+v", ended)
	}
	readWAV(t, files[0], 1)
	// A recording of a closed session is answered.
	p.s.Record(NewRecorder(tempFile(t), RecorderOptions{}))
	st.clk.Settle()
	if ended := p.events.of(RecordEnded); ended[len(ended)-1].Reason != ReasonClosed {
		t.Fatalf("%+v", ended[len(ended)-1])
	}
}
