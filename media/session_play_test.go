package media

import (
	"bytes"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

// content is what was heard without the silence around it.
func content(packets []heard, c *codec.Codec) (frames [][]byte) {
	for _, h := range packets {
		if !bytes.Equal(h.payload, c.Silence()) {
			frames = append(frames, h.payload)
		}
	}
	return frames
}

func framesOf(c *codec.Codec, prompts ...*sound.Prompt) (frames [][]byte) {
	for _, p := range prompts {
		for i := range p.Frames() {
			frames = append(frames, p.Encoded(c).Frame(i))
		}
	}
	return frames
}

func TestPlayIsGaplessAndExact(t *testing.T) {
	for _, c := range []*codec.Codec{codec.PCMA, codec.PCMU} {
		st := newStudio(t, 1)
		p := st.leg(nil, c)
		a, b := ramp(30), sound.NewPrompt(ramp(20).PCM()[:19*audio.FrameSamples+40])
		st.run(100*time.Millisecond, nil, p)
		id := p.s.Play(Playback{Parts: []*sound.Prompt{a, b}})
		st.run(1500*time.Millisecond, nil, p)
		steady(t, p.packets, 0)
		got, want := content(p.packets, c), framesOf(c, a, b)
		if len(got) != len(want) {
			t.Fatalf("%s: %d frames, want %d", c, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%s: frame %d differs", c, i)
			}
		}
		ended := p.events.of(PlayEnded)
		if len(ended) != 1 || ended[0].Play != id || !ended[0].Completed || ended[0].Reason != ReasonEnd ||
			ended[0].PlayedMs != 985 || ended[0].TotalMs != 985 {
			t.Fatalf("%s: %+v", c, ended)
		}
	}
}

func TestStopPlayWithinOneFrameCountsWhatWasSent(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(50*time.Millisecond, nil, p)
	p.s.Play(Playback{Parts: []*sound.Prompt{ramp(500)}})
	st.run(500*time.Millisecond, nil, p)
	p.s.StopPlay()
	before := len(content(p.packets, codec.PCMA))
	st.run(time.Second, nil, p)
	played := len(content(p.packets, codec.PCMA))
	if played > before+1 {
		t.Fatalf("%d frames after StopPlay", played-before)
	}
	ended := p.events.of(PlayEnded)
	if len(ended) != 1 || ended[0].Completed || ended[0].Reason != ReasonStopped || ended[0].PlayedMs != played*20 || ended[0].TotalMs != 10000 {
		t.Fatalf("%d frames heard, %+v", played, ended)
	}
	steady(t, p.packets, 0)
}

func TestReplacedPlaybackReportsIt(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	first := p.s.Play(Playback{Parts: []*sound.Prompt{ramp(100)}})
	st.run(200*time.Millisecond, nil, p)
	second := p.s.Play(Playback{Parts: []*sound.Prompt{ramp(10)}})
	st.run(400*time.Millisecond, nil, p)
	ended := p.events.of(PlayEnded)
	if len(ended) != 2 || ended[0].Play != first || ended[0].Reason != ReasonReplaced || ended[0].Completed || ended[0].PlayedMs == 0 ||
		ended[1].Play != second || !ended[1].Completed {
		t.Fatalf("%+v", ended)
	}
	steady(t, p.packets, 0)
}

func TestLoopAndEndlessToneGoOn(t *testing.T) {
	tone, err := sound.Tone("tone:440")
	if err != nil {
		t.Fatal(err)
	}
	for name, pb := range map[string]Playback{
		"loop": {Parts: []*sound.Prompt{ramp(3), ramp(2)}, Loop: true},
		"tone": {Parts: []*sound.Prompt{tone}},
	} {
		st := newStudio(t, 1)
		p := st.leg(nil)
		p.s.Play(pb)
		st.run(2500*time.Millisecond, nil, p)
		if n := len(content(p.packets, codec.PCMA)); n < 120 {
			t.Errorf("%s: %d frames in 2.5 s", name, n)
		}
		if ended := p.events.of(PlayEnded); len(ended) != 0 {
			t.Errorf("%s: %+v", name, ended)
		}
		p.s.StopPlay()
		st.run(50*time.Millisecond, nil, p)
		if ended := p.events.of(PlayEnded); len(ended) != 1 || ended[0].PlayedMs < 2400 {
			t.Errorf("%s: %+v", name, ended)
		}
	}
}

func TestPlaybackOfNothingEndsAtOnce(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	for _, pb := range []Playback{{}, {Loop: true}, {Parts: []*sound.Prompt{sound.NewPrompt(nil)}, Loop: true}} {
		p.s.Play(pb)
	}
	st.run(60*time.Millisecond, nil, p)
	for _, e := range p.events.of(PlayEnded) {
		if !e.Completed || e.TotalMs != 0 {
			t.Errorf("%+v", e)
		}
	}
	if n := len(p.events.of(PlayEnded)); n != 3 {
		t.Fatalf("%d events", n)
	}
}

func TestVolumeScalesAPrivateCopy(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	prompt := ramp(5)
	loud := append([]int16(nil), prompt.PCM()...)
	p.s.Play(Playback{Parts: []*sound.Prompt{prompt}, Volume: 0.5})
	st.run(300*time.Millisecond, nil, p)
	got := content(p.packets, codec.PCMA)
	if len(got) != 5 {
		t.Fatalf("%d frames", len(got))
	}
	var pcm [audio.FrameSamples]int16
	codec.PCMA.Decode(pcm[:], got[4])
	for i, v := range pcm {
		want := int(loud[4*audio.FrameSamples+i]) / 2
		if d := int(v) - want; d > want/10+16 || d < -want/10-16 {
			t.Fatalf("sample %d is %d, want about %d", i, v, want)
		}
	}
	for i, v := range prompt.PCM() {
		if v != loud[i] {
			t.Fatal("the shared prompt was changed")
		}
	}
}

func TestPlayBeforeNegotiationAndStartIsKept(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	p.s.Play(Playback{Parts: []*sound.Prompt{ramp(10)}})
	p.s.Start()
	st.run(200*time.Millisecond, nil, p)
	p.offer(sdp.SendRecv)
	st.run(400*time.Millisecond, nil, p)
	if n := len(content(p.packets, codec.PCMA)); n != 10 {
		t.Fatalf("%d frames", n)
	}
	if ended := p.events.of(PlayEnded); len(ended) != 1 || !ended[0].Completed {
		t.Fatalf("%+v", ended)
	}
}

func TestCodecChangeKeepsThePlaceInThePlayback(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil, codec.PCMA)
	prompt := ramp(50)
	p.s.Play(Playback{Parts: []*sound.Prompt{prompt}})
	st.run(500*time.Millisecond, nil, p)
	before := len(p.packets)
	p.local.Codecs = []*codec.Codec{codec.PCMU}
	p.offer(sdp.SendRecv)
	st.run(time.Second, nil, p)
	steady(t, p.packets, 0)
	alaw := len(content(p.packets[:before], codec.PCMA))
	got := content(p.packets[before:], codec.PCMU)
	want := framesOf(codec.PCMU, prompt)[alaw:]
	if len(got) < len(want) || !bytes.Equal(got[1], want[1]) || p.packets[len(p.packets)-1].pt != codec.PCMU.PT {
		t.Fatalf("%d frames after the change, want %d", len(got), len(want))
	}
}

// Late passes: the timestamp goes on, frames are left out, and no session
// sends more than two at once.
func TestLatePassSkipsFramesAndNeverBursts(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(60*time.Millisecond, nil, p)
	p.s.Play(Playback{Parts: []*sound.Prompt{ramp(50)}})
	st.run(60*time.Millisecond, nil, p)
	sh := st.engine.shards[0]
	n := len(p.packets)
	last := p.packets[n-1]
	late := st.clk.Now().Add(200 * time.Millisecond)
	sh.tick(late, st.fabric)
	sh.observe(late.Add(3 * time.Millisecond))
	p.listen()
	if burst := len(p.packets) - n; burst != maxBurst {
		t.Fatalf("%d packets at once", burst)
	}
	got := p.packets[n]
	skipped := (got.ts-last.ts)/audio.FrameSamples - 1
	if got.seq != last.seq+1 || skipped < 7 || skipped > 9 || (got.ts-last.ts)%audio.FrameSamples != 0 {
		t.Fatalf("after a pause of 200 ms: seq %d→%d, %d frames left out", last.seq, got.seq, skipped)
	}
	stats := st.engine.Stats()
	if stats.LateSkips != uint64(skipped) || stats.Lateness[len(LatenessBounds)] == 0 {
		t.Fatalf("%+v", stats)
	}
	// The left-out part of the prompt is not counted as heard.
	p.s.StopPlay()
	st.run(300*time.Millisecond, nil, p)
	heardFrames := len(content(p.packets, codec.PCMA))
	if ended := p.events.of(PlayEnded); len(ended) != 1 || ended[0].PlayedMs != heardFrames*20 {
		t.Fatalf("%d frames heard, %+v", heardFrames, ended)
	}
}
