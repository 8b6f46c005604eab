package media

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

// One stream through all that a call does: silence, a prompt, another one in
// its place, a bridge, a whisper, holds of both kinds, keys, a new address, a
// late pass. testdata/continuity.txt is what the listener gets, run by run:
// there is one source, sequence numbers never skip or repeat, timestamps never
// go back, and markers stand only where a talkspurt or a key begins.
func TestStreamIsOneThroughAllTransitions(t *testing.T) {
	st := newStudio(t, 1)
	p, q := st.leg(nil), st.leg(nil)
	talk := q.talk(3)
	var script strings.Builder
	from, last := 0, heard{}
	step := func(name string, d time.Duration, do func()) {
		if do != nil {
			do()
		}
		st.run(d, talk, p, q)
		fmt.Fprintf(&script, "# %s\n", name)
		for _, r := range runs(t, p.packets[from:], &last) {
			fmt.Fprintln(&script, r)
		}
		from = len(p.packets)
	}
	step("begins with silence", 100*time.Millisecond, nil)
	step("a prompt", 200*time.Millisecond, func() { p.s.Play(Playback{Parts: []*sound.Prompt{ramp(50)}}) })
	step("another one in its place, to the end", 300*time.Millisecond, func() { p.s.Play(Playback{Parts: []*sound.Prompt{ramp(8)}}) })
	step("a bridge", 300*time.Millisecond, func() { p.s.Bridge(q.s) })
	step("a whisper over it", 300*time.Millisecond, func() { p.s.Play(Playback{Parts: []*sound.Prompt{ramp(5)}}) })
	step("keys over it", 400*time.Millisecond, func() {
		if err := p.s.SendDigits("5"); err != nil {
			t.Fatal(err)
		}
	})
	step("we hold: silence", 200*time.Millisecond, func() { p.s.Hold(true) })
	step("resumed", 200*time.Millisecond, func() { p.s.Hold(false) })
	step("they hold: nothing is sent", 200*time.Millisecond, func() { p.offer(sdp.SendOnly) })
	step("they resume", 200*time.Millisecond, func() { p.offer(sdp.SendRecv) })
	step("the bridge ends", 200*time.Millisecond, func() { p.s.Unbridge() })
	step("keys over a prompt", 600*time.Millisecond, func() {
		p.s.Play(Playback{Parts: []*sound.Prompt{ramp(10)}})
		if err := p.s.SendDigits("1w#"); err != nil {
			t.Fatal(err)
		}
	})
	step("a session refresh changes nothing", 500*time.Millisecond, func() { p.offer(sdp.SendRecv) })
	step("a pass that is 300 ms late: two frames and a step in time", 100*time.Millisecond, func() {
		p.s.Play(Playback{Parts: []*sound.Prompt{ramp(50)}})
		late := st.clk.Now().Add(300 * time.Millisecond)
		st.engine.shards[0].tick(late, st.fabric)
		st.clk.Advance(300 * time.Millisecond)
		p.listen()
	})
	file := filepath.Join("testdata", "continuity.txt")
	if *update {
		if err := os.WriteFile(file, []byte(script.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := script.String(); got != string(want) {
		t.Errorf("got\n%s", got)
	}
}

// runs are the packets of one kind after another, and checks that all of them
// are one stream.
func runs(t *testing.T, packets []heard, last *heard) (out []string) {
	t.Helper()
	kind, n, head := "", 0, ""
	flush := func() {
		if n > 0 {
			out = append(out, fmt.Sprintf("%s%s x%d", head, kind, n))
		}
	}
	for _, h := range packets {
		now, step := "sound", int32(h.ts-last.ts)
		switch {
		case h.pt == sdp.DefaultEventPT:
			now = fmt.Sprintf("key %d", h.payload[0])
		case bytes.Equal(h.payload, codec.PCMA.Silence()):
			now = "silence"
		}
		if last.payload != nil {
			if h.ssrc != last.ssrc || h.seq != last.seq+1 || step < 0 || step == 0 && h.pt != sdp.DefaultEventPT {
				t.Fatalf("ssrc %x seq %d ts %d after ssrc %x seq %d ts %d", h.ssrc, h.seq, h.ts, last.ssrc, last.seq, last.ts)
			}
		}
		usual := step == audio.FrameSamples || last.payload == nil || h.pt == sdp.DefaultEventPT || last.pt == sdp.DefaultEventPT
		if now != kind || h.marker || !usual {
			flush()
			kind, n, head = now, 0, ""
			if h.marker {
				head = "M "
			}
			if !usual {
				head += fmt.Sprintf("+%d frames ", step/audio.FrameSamples-1)
			}
		}
		n++
		*last = h
	}
	flush()
	return out
}

// The catch-up rule by the length of the delay: a pass that is late by less
// than two frames leaves nothing out, one that is late by an hour sends two.
func TestCatchUpIsNeverABurst(t *testing.T) {
	for _, late := range []time.Duration{0, 15 * time.Millisecond, 39 * time.Millisecond, 60 * time.Millisecond, 500 * time.Millisecond, time.Hour} {
		st := newStudio(t, 1)
		p := st.leg(nil)
		st.run(200*time.Millisecond, nil, p)
		n := len(p.packets)
		last := p.packets[n-1]
		at := last.at + audio.FrameDuration + late
		sh := st.engine.shards[0]
		sh.tick(st.engine.base.Add(at), st.fabric)
		p.listen()
		burst := p.packets[n:]
		due := int64(late/audio.FrameDuration) + 1
		if len(burst) != int(min(due, maxBurst)) {
			t.Errorf("%v late: %d packets at once", late, len(burst))
			continue
		}
		ahead := int64(int32(burst[len(burst)-1].ts-last.ts)) / audio.FrameSamples
		if late < time.Hour && ahead != due {
			t.Errorf("%v late: timestamps %d frames on, %d have passed", late, ahead, due)
		}
		for i, h := range burst {
			if h.seq != last.seq+1+uint16(i) {
				t.Errorf("%v late: sequence %d after %d", late, h.seq, last.seq)
			}
		}
		if got := st.engine.Stats().LateSkips; got != uint64(max(0, due-maxBurst)) {
			t.Errorf("%v late: %d frames left out, %d counted", late, due-maxBurst, got)
		}
	}
}
