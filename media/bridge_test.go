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

// talk lets a party say a distinct frame every 20 ms, beginning at phase.
func (p *party) talk(phase int) func(ms int) {
	n := 0
	return func(ms int) {
		if ms%20 == phase {
			p.say(voice(n))
			n++
		}
	}
}

func both(f, g func(int)) func(int) { return func(ms int) { f(ms); g(ms) } }

// contiguous checks sequence and timestamps; times may vary.
func contiguous(t *testing.T, packets []heard) {
	t.Helper()
	for i := 1; i < len(packets); i++ {
		a, b := packets[i-1], packets[i]
		jump := int32(b.ts - a.ts)
		if b.seq != a.seq+1 || b.ssrc != a.ssrc || jump < audio.FrameSamples || jump > 6*audio.FrameSamples {
			t.Fatalf("packet %d at %v: seq %d ts +%d after seq %d at %v", i, b.at, b.seq, jump, a.seq, a.at)
		}
		if gap := b.at - a.at; gap > passageStall+audio.FrameDuration {
			t.Fatalf("packet %d comes %v after the one before", i, gap)
		}
	}
}

func TestBridgePassesAudioBothWays(t *testing.T) {
	for _, shards := range []int{1, 2} {
		st := newStudio(t, shards)
		a, b := st.leg(nil), st.leg(nil)
		talk := both(a.talk(3), b.talk(11))
		st.run(200*time.Millisecond, talk, a, b)
		a.s.Bridge(b.s)
		st.run(100*time.Millisecond, talk, a, b)
		na, nb := len(a.packets), len(b.packets)
		st.run(2*time.Second, talk, a, b)
		contiguous(t, a.packets)
		contiguous(t, b.packets)
		steady(t, a.packets[na:], 4*time.Millisecond)
		steady(t, b.packets[nb:], 4*time.Millisecond)
		if n := len(content(b.packets[nb:], codec.PCMA)); n < 99 {
			t.Fatalf("%d shards: %d frames of 100 passed on", shards, n)
		}
		// The delay: what was said at 3 mod 20 is heard at most two slots later.
		for _, h := range b.packets[nb:] {
			if late := (h.at - 3*time.Millisecond) % audio.FrameDuration; late > 5*time.Millisecond {
				t.Fatalf("heard %v after it was said", late)
			}
		}
		if a.s.home.Load() != b.s.home.Load() {
			t.Fatal("a bridge spans two shards")
		}
		a.s.Unbridge()
		st.run(400*time.Millisecond, talk, a, b)
		contiguous(t, a.packets)
		last := b.packets[len(b.packets)-10:]
		if len(content(last, codec.PCMA)) != 0 {
			t.Fatal("audio passes after Unbridge")
		}
	}
}

// A session changes shards without leaving out or doubling a frame.
func TestMigrationHasNoGap(t *testing.T) {
	st := newStudio(t, 2)
	a, b := st.leg(nil), st.leg(nil)
	st.run(100*time.Millisecond, nil, a, b)
	if a.s.home.Load() == b.s.home.Load() {
		t.Fatal("both on one shard already")
	}
	moved := b
	prompt := ramp(100)
	moved.s.Play(Playback{Parts: []*sound.Prompt{prompt}})
	st.run(300*time.Millisecond, nil, a, b)
	// Both ends ask for it at once.
	a.s.Bridge(b.s)
	b.s.Bridge(a.s)
	st.run(2*time.Second, nil, a, b)
	steady(t, a.packets, 0)
	steady(t, b.packets, 0)
	got, want := content(moved.packets, codec.PCMA), framesOf(codec.PCMA, prompt)
	if len(got) != len(want) {
		t.Fatalf("%d frames of the prompt, want %d", len(got), len(want))
	}
	if st.engine.shards[0].load.Load()+st.engine.shards[1].load.Load() != 2 {
		t.Fatal("the load is miscounted")
	}
}

func TestBridgeTranscodes(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil, codec.PCMA), st.leg(nil, codec.PCMU)
	a.s.Bridge(b.s)
	st.run(60*time.Millisecond, nil, a, b)
	st.run(500*time.Millisecond, a.talk(1), a, b)
	got := content(b.packets, codec.PCMU)
	if len(got) < 20 {
		t.Fatalf("%d frames", len(got))
	}
	var pcm [audio.FrameSamples]int16
	want := make([]byte, audio.FrameSamples)
	codec.PCMA.Decode(pcm[:], voice(0))
	codec.PCMU.Encode(want, pcm[:])
	if !bytes.Equal(got[0], want) || b.packets[len(b.packets)-1].pt != codec.PCMU.PT {
		t.Fatal("not what was said, in mu-law")
	}
}

func TestBridgeKeepsHolesAndMendsOrder(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	a.s.Bridge(b.s)
	st.run(200*time.Millisecond, a.talk(1), a, b)
	n := len(b.packets)
	first := a.seq + 1
	for _, i := range []int{0, 2, 1, 4, 4, 5} { // 3 is lost, 4 comes twice
		a.sendFrom(a.conn, codec.PCMA.PT, false, first+uint16(i), a.ts+uint32(i*audio.FrameSamples), voice(i))
		st.run(20*time.Millisecond, nil, a, b)
	}
	var order []int
	base := b.packets[n].seq
	for _, h := range b.packets[n:] {
		i := int(int16(h.seq - base))
		if h.ts != b.packets[n].ts+uint32(i*audio.FrameSamples) {
			t.Fatalf("packet %d: timestamp +%d", i, h.ts-b.packets[n].ts)
		}
		order = append(order, i)
	}
	if len(order) != 5 || order[1] != 2 || order[2] != 1 || order[3] != 4 || order[4] != 5 {
		t.Fatalf("order %v", order)
	}
}

func TestBridgeFillsSilenceAndResumesInPlace(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	a.s.Bridge(b.s)
	st.run(300*time.Millisecond, a.talk(1), a, b)
	offset := b.packets[len(b.packets)-1].ts - a.ts
	st.run(time.Second, nil, a, b) // silence suppression: timestamps go on
	a.ts += 50 * audio.FrameSamples
	st.run(300*time.Millisecond, a.talk(1), a, b)
	contiguous(t, b.packets)
	if moved := int32(b.packets[len(b.packets)-1].ts - a.ts - offset); moved != 0 {
		t.Fatalf("timestamps moved by %d", moved)
	}
	// A peer that does not count its silence is moved.
	st.run(time.Second, nil, a, b)
	st.run(time.Second, a.talk(1), a, b)
	contiguous(t, b.packets[len(b.packets)-30:])
	if n := len(content(b.packets[len(b.packets)-30:], codec.PCMA)); n < 30 {
		t.Fatalf("%d of the last 30 packets are voice", n)
	}
}

func TestWhisperCoversTheBridgeForOneListener(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	talk := both(a.talk(3), b.talk(11))
	a.s.Bridge(b.s)
	st.run(300*time.Millisecond, talk, a, b)
	whisper := ramp(20)
	b.s.Play(Playback{Parts: []*sound.Prompt{whisper}})
	na, nb := len(a.packets), len(b.packets)
	st.run(300*time.Millisecond, talk, a, b)
	for _, h := range b.packets[nb+3:] {
		if !contains(framesOf(codec.PCMA, whisper), h.payload) {
			t.Fatal("the bridge is heard beside the whisper")
		}
	}
	for _, h := range a.packets[na:] {
		if contains(framesOf(codec.PCMA, whisper), h.payload) {
			t.Fatal("the other one hears the whisper")
		}
	}
	st.run(500*time.Millisecond, talk, a, b)
	contiguous(t, a.packets)
	contiguous(t, b.packets)
	if n := len(content(b.packets[len(b.packets)-10:], codec.PCMA)); n != 10 {
		t.Fatalf("%d of 10 packets after the whisper", n)
	}
}

// Covering a bridge again and again must not move the timestamps away from
// the time of day.
func TestRepeatedWhispersDoNotDrift(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	talk := a.talk(3)
	a.s.Bridge(b.s)
	st.run(200*time.Millisecond, talk, a, b)
	for range 40 {
		b.s.Play(Playback{Parts: []*sound.Prompt{ramp(2)}})
		st.run(200*time.Millisecond, talk, a, b)
	}
	contiguous(t, b.packets)
	first, last := b.packets[0], b.packets[len(b.packets)-1]
	drift := time.Duration(last.ts-first.ts)*time.Second/audio.SampleRate - (last.at - first.at)
	if drift > 50*time.Millisecond || drift < -50*time.Millisecond {
		t.Fatalf("timestamps are %v off", drift)
	}
}

func contains(frames [][]byte, f []byte) bool {
	for _, x := range frames {
		if bytes.Equal(x, f) {
			return true
		}
	}
	return false
}

func TestMuteAndHoldStopPassing(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	talk := both(a.talk(3), b.talk(11))
	a.s.Bridge(b.s)
	st.run(300*time.Millisecond, talk, a, b)
	check := func(name string, wantA, wantB bool) {
		t.Helper()
		st.run(200*time.Millisecond, talk, a, b)
		na, nb := len(a.packets), len(b.packets)
		st.run(300*time.Millisecond, talk, a, b)
		if got := len(content(a.packets[na:], codec.PCMA)) > 0; got != wantA {
			t.Fatalf("%s: a hears b: %v", name, got)
		}
		if got := len(content(b.packets[nb:], codec.PCMA)) > 0; got != wantB {
			t.Fatalf("%s: b hears a: %v", name, got)
		}
	}
	check("open", true, true)
	a.s.Mute(true)
	check("a muted", true, false)
	a.s.Mute(false)
	check("a not muted", true, true)
	a.s.Hold(true)
	check("a held", false, false)
	a.s.Hold(false)
	check("a resumed", true, true)
	b.s.Close()
	st.run(100*time.Millisecond, a.talk(3), a)
	n := len(a.packets)
	st.run(300*time.Millisecond, a.talk(3), a)
	steady(t, a.packets[n:], 0)
	contiguous(t, a.packets)
}

func TestBridgePassesDigitsWithTheOthersPayloadType(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.open(nil)
	b.local.EventPT = 96
	b.offer(sdp.SendRecv)
	b.s.Start()
	a.s.Bridge(b.s)
	talk := a.talk(1)
	st.run(200*time.Millisecond, talk, a, b)
	pt := a.s.Negotiated().EventSend.PT
	dial := func() {
		st.run(200*time.Millisecond, a.press(7, pt), a, b)
		st.run(200*time.Millisecond, talk, a, b)
	}
	dial()
	var d digitReceiver
	got, packets := "", 0
	for _, h := range b.packets {
		if h.pt != 96 {
			continue
		}
		packets++
		ev, _ := parseEvent(h.payload)
		if n := d.packet(h.ssrc, h.ts, 8000, ev, time.UnixMilli(h.at.Milliseconds())); n.began {
			got += string(n.beganKey)
		}
	}
	if got != "7" || packets != 8 || a.events.digits() != "7" {
		t.Fatalf("passed on %q in %d packets, reported %q", got, packets, a.events.digits())
	}
	contiguousSeq(t, b.packets)
	a.s.PassDigits(false)
	dial()
	for _, h := range b.packets {
		if h.pt == 96 {
			packets--
		}
	}
	if packets != 0 || a.events.digits() != "77" {
		t.Fatalf("%d event packets more, reported %q", -packets, a.events.digits())
	}
	contiguousSeq(t, b.packets)
}

func contiguousSeq(t *testing.T, packets []heard) {
	t.Helper()
	for i := 1; i < len(packets); i++ {
		if packets[i].seq != packets[i-1].seq+1 {
			t.Fatalf("packet %d: sequence %d after %d", i, packets[i].seq, packets[i-1].seq)
		}
	}
}

func TestBridgeWithAClosedOrForeignSessionDoesNothing(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	b.s.Close()
	st.run(50*time.Millisecond, nil, a)
	a.s.Bridge(b.s)
	b.s.Bridge(a.s)
	a.s.Bridge(a.s)
	a.s.Bridge(nil)
	never := st.open(nil)
	a.s.Bridge(never.s)
	st.run(time.Second, nil, a)
	steady(t, a.packets, 0)
}
