package media

import (
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/sound"
)

// tone lets a party send a steady tone, a frame every 20 ms from phase on.
func (p *party) tone(hz float64, amplitude float64, phase int) func(ms int) {
	n := 0
	return func(ms int) {
		if ms%20 != phase {
			return
		}
		pcm := make([]int16, audio.FrameSamples)
		copy(pcm, mediatest.Sine(hz, audio.SampleRate, audio.FrameSamples*(n+1), amplitude)[audio.FrameSamples*n:])
		n = (n + 1) % audio.FramesPerSec // whole numbers of periods of whole hertz
		b := make([]byte, audio.FrameSamples)
		p.local.Codecs[0].NewEncoder().Encode(b, pcm)
		p.send(p.local.Codecs[0].PT, false, b)
		p.ts += audio.FrameSamples
	}
}

func all(f ...func(int)) func(int) {
	return func(ms int) {
		for _, x := range f {
			x(ms)
		}
	}
}

// latest is the audio of the last frames that a party has heard.
func (p *party) latest(frames int) (pcm []int16) {
	p.st.t.Helper()
	if len(p.packets) < frames {
		p.st.t.Fatalf("only %d packets", len(p.packets))
	}
	for _, h := range p.packets[len(p.packets)-frames:] {
		out := make([]int16, len(h.payload))
		p.local.Codecs[0].NewDecoder().Decode(out, h.payload)
		pcm = append(pcm, out...)
	}
	return pcm
}

// hears checks which tones are in the last half second, of all that were sent.
func (p *party) hears(name string, sent []float64, want ...float64) {
	p.st.t.Helper()
	pcm := p.latest(25)
	for _, hz := range sent {
		expected := false
		for _, w := range want {
			expected = expected || w == hz
		}
		level := mediatest.LevelAt(mediatest.Floats(pcm), hz, audio.SampleRate)
		if expected && (level < 2000 || level > 4500) {
			p.st.t.Errorf("%s hears %.0f Hz at %.0f, want about 3000", name, hz, level)
		}
		if !expected && level > 60 {
			p.st.t.Errorf("%s hears %.0f Hz at %.0f, want nothing of it", name, hz, level)
		}
	}
}

func (st *studio) mixer(o MixerOptions) *Mixer {
	st.t.Helper()
	m, err := st.engine.NewMixer(o)
	if err != nil {
		st.t.Fatal(err)
	}
	return m
}

var threeTones = []float64{400, 900, 1500}

// Each of three hears the other two and not itself, on one shard or several,
// in whatever codec, and no stream has a hole.
func TestMixOfThree(t *testing.T) {
	for _, shards := range []int{1, 3} {
		st := newStudio(t, shards)
		p := []*party{st.leg(nil), st.leg(nil, codec.PCMU), st.leg(nil)}
		talk := all(p[0].tone(400, 3000, 3), p[1].tone(900, 3000, 11), p[2].tone(1500, 3000, 18))
		st.run(200*time.Millisecond, talk, p...)
		m := st.mixer(MixerOptions{})
		for _, x := range p {
			x.s.Mix(m, MixOptions{})
		}
		st.run(1500*time.Millisecond, talk, p...)
		p[0].hears("a", threeTones, 900, 1500)
		p[1].hears("b", threeTones, 400, 1500)
		p[2].hears("c", threeTones, 400, 900)
		for i, x := range p {
			steady(t, x.packets, 0)
			if x.s.home.Load() != m.shard {
				t.Errorf("member %d is on another shard", i)
			}
		}
		if st.engine.shards[0].load.Load() < 1 {
			t.Error("the load is miscounted")
		}
		p[1].s.Close()
		st.run(700*time.Millisecond, talk, p...)
		p[0].hears("a alone with c", threeTones, 1500)
		p[2].hears("c alone with a", threeTones, 400)
		m.Close()
		st.run(700*time.Millisecond, talk, p[0], p[2])
		p[0].hears("a after the end", threeTones)
		if n := len(st.engine.mixers); n != 0 {
			t.Errorf("%d mixers left", n)
		}
	}
}

// Members of every codec hear one another.
func TestMixAcrossCodecs(t *testing.T) {
	st := newStudio(t, 2)
	m := st.mixer(MixerOptions{})
	var parties []*party
	var talks []func(int)
	for i, c := range codec.All() {
		p := st.leg(func(o *SessionOptions) { o.Codecs = codec.All() }, c)
		p.s.Mix(m, MixOptions{})
		parties = append(parties, p)
		if i < 3 {
			talks = append(talks, p.wave(threeTones[i], 3+i))
		}
	}
	st.run(2*time.Second, all(talks...), parties...)
	for i, p := range parties {
		format := p.local.Codecs[0]
		dec, pcm := format.NewDecoder(), make([]int16, codec.MaxDecoded)
		var heard []int16
		for _, h := range p.packets[len(p.packets)-50:] {
			heard = append(heard, pcm[:dec.Decode(pcm, h.payload)]...)
		}
		heard = heard[len(heard)/2:]
		for j, hz := range threeTones {
			level := mediatest.LevelAt(mediatest.Floats(heard), hz, float64(format.Rate))
			if (i != j) != (level > 1500) && j < len(talks) {
				t.Errorf("%s hears %.0f Hz at %.0f", format, hz, level)
			}
		}
		contiguousSeq(t, p.packets)
	}
}

// wave is tone for any codec.
func (p *party) wave(hz float64, phase int) func(ms int) {
	format := p.local.Codecs[0]
	enc, n, out := format.NewEncoder(), 0, make([]byte, codec.MaxPayload)
	return func(ms int) {
		if ms%20 != phase {
			return
		}
		pcm := mediatest.Sine(hz, float64(format.Rate), format.FrameLen()*(n+1), 3000)[format.FrameLen()*n:]
		n = (n + 1) % audio.FramesPerSec
		p.send(format.PT, false, out[:enc.Encode(out, pcm)])
		p.ts += audio.FrameSamples * format.Factor()
	}
}

// The matrix of roles: who hears whom.
func TestMixRoles(t *testing.T) {
	sent := []float64{400, 900, 1500, 2100}
	agent, customer, boss, guest := 0, 1, 2, 3
	cases := []struct {
		name string
		boss MixOptions
		hear [4][]float64
	}{
		{"listen", MixOptions{Role: MixListener}, [4][]float64{{900, 2100}, {400, 2100}, {400, 900, 2100}, {400, 900}}},
		{"coach", MixOptions{Role: MixCoach}, [4][]float64{{900, 1500, 2100}, {400, 2100}, {400, 900, 2100}, {400, 900}}},
		{"member", MixOptions{}, [4][]float64{{900, 1500, 2100}, {400, 1500, 2100}, {400, 900, 2100}, {400, 900, 1500}}},
		{"muted", MixOptions{Muted: true}, [4][]float64{{900, 2100}, {400, 2100}, {400, 900, 2100}, {400, 900}}},
	}
	st := newStudio(t, 2)
	p := []*party{st.leg(nil), st.leg(nil), st.leg(nil), st.leg(nil)}
	talk := all(p[agent].tone(400, 3000, 1), p[customer].tone(900, 3000, 7), p[boss].tone(1500, 3000, 12), p[guest].tone(2100, 3000, 17))
	m := st.mixer(MixerOptions{})
	for _, x := range p {
		x.s.Mix(m, MixOptions{})
	}
	for _, c := range cases {
		c.boss.Coach = p[agent].s
		p[boss].s.Mix(m, c.boss) // while it talks
		st.run(900*time.Millisecond, talk, p...)
		for i, name := range []string{"agent", "customer", "boss", "guest"} {
			p[i].hears(c.name+": "+name, sent, c.hear[i]...)
			steady(t, p[i].packets, 0)
		}
	}
}

// A bridged pair is overheard: its own audio is passed on packet by packet as
// before, its listener hears both; then the coach, then everybody is heard, and
// at last the bridge alone.
func TestMixOverABridge(t *testing.T) {
	st := newStudio(t, 2)
	agent, customer := st.leg(nil), st.leg(nil)
	agent.s.Bridge(customer.s)
	talk := all(agent.tone(400, 3000, 3), customer.tone(900, 3000, 11))
	st.run(300*time.Millisecond, talk, agent, customer)
	before := len(customer.packets)
	boss := st.leg(nil)
	talk = all(talk, boss.tone(1500, 3000, 15))
	m := st.mixer(MixerOptions{Near: []*Session{customer.s, agent.s}})
	agent.s.Mix(m, MixOptions{Overheard: true})
	customer.s.Mix(m, MixOptions{Overheard: true})
	boss.s.Mix(m, MixOptions{Role: MixListener})
	everybody := []*party{agent, customer, boss}
	step := func(name string, a, c, b []float64) {
		t.Helper()
		st.run(900*time.Millisecond, talk, everybody...)
		agent.hears(name+": agent", threeTones, a...)
		customer.hears(name+": customer", threeTones, c...)
		boss.hears(name+": boss", threeTones, b...)
	}
	step("listen", []float64{900}, []float64{400}, []float64{400, 900})
	steady(t, customer.packets[before:], 4*time.Millisecond) // the bridge, not the wheel
	boss.s.Mix(m, MixOptions{Role: MixCoach, Coach: agent.s})
	agent.s.Mix(m, MixOptions{})
	step("coach", []float64{900, 1500}, []float64{400}, []float64{400, 900})
	steady(t, customer.packets[before:], 4*time.Millisecond)
	boss.s.Mix(m, MixOptions{})
	customer.s.Mix(m, MixOptions{})
	step("barge", []float64{900, 1500}, []float64{400, 1500}, []float64{400, 900})
	m.Close()
	step("left", []float64{900}, []float64{400}, nil)
	for _, x := range everybody {
		contiguous(t, x.packets)
	}
	if agent.s.home.Load() != customer.s.home.Load() {
		t.Error("the bridge was torn apart")
	}
}

// A talking session that joins a mix on another shard leaves out and doubles
// nothing, neither of what it hears nor of what it says.
func TestMixMigrationHasNoGap(t *testing.T) {
	st := newStudio(t, 2)
	a, b := st.leg(nil), st.leg(nil)
	st.run(100*time.Millisecond, nil, a, b)
	m := st.mixer(MixerOptions{Near: []*Session{a.s}})
	a.s.Mix(m, MixOptions{})
	if b.s.home.Load() == m.shard {
		t.Fatal("both on one shard already")
	}
	prompt := ramp(50)
	b.s.Play(Playback{Parts: []*sound.Prompt{prompt}})
	talk := b.talk(5)
	st.run(300*time.Millisecond, talk, a, b)
	received := b.s.Stats().Received
	b.s.Mix(m, MixOptions{})
	st.run(2*time.Second, talk, a, b)
	steady(t, a.packets, 0)
	steady(t, b.packets, 0)
	if got, want := content(b.packets, codec.PCMA), framesOf(codec.PCMA, prompt); len(got) != len(want) {
		t.Errorf("%d frames of the prompt, want %d", len(got), len(want))
	}
	if st := b.s.Stats(); st.Received-received < 99 || st.Lost != 0 || st.Dropped != 0 {
		t.Errorf("received %d, lost %d, dropped %d", st.Received-received, st.Lost, st.Dropped)
	}
	// What b said since comes to a once, in order, to the sample.
	got := content(a.packets, codec.PCMA)
	if len(got) < 90 {
		t.Fatalf("a has heard %d frames", len(got))
	}
	first := -1
	for n := range 120 {
		if string(got[0]) == string(voice(n)) {
			first = n
		}
	}
	for i, f := range got {
		if first < 0 || string(f) != string(voice(first+i)) {
			t.Fatalf("frame %d of what a hears is not what was said (from %d)", i, first)
		}
	}
	if b.s.home.Load() != m.shard || st.engine.shards[0].load.Load()+st.engine.shards[1].load.Load() != 2 {
		t.Error("the load is miscounted")
	}
}

// Of many who make a sound the loudest are heard; the others are not added.
func TestMixHearsTheLoudest(t *testing.T) {
	st := newStudio(t, 1)
	m := st.mixer(MixerOptions{Speakers: 3})
	var parties []*party
	var talks []func(int)
	for i := range 6 {
		p := st.leg(nil)
		p.s.Mix(m, MixOptions{})
		amplitude := 300.0
		if i%2 == 1 {
			amplitude = 3000
		}
		talks = append(talks, p.tone(float64(300+350*i), amplitude, i*3))
		parties = append(parties, p)
	}
	listener := st.leg(nil)
	listener.s.Mix(m, MixOptions{Role: MixListener})
	parties = append(parties, listener)
	st.run(1500*time.Millisecond, all(talks...), parties...)
	listener.hears("a listener", []float64{300, 650, 1000, 1350, 1700, 2050}, 650, 1350, 2050)
	parties[1].hears("a loud one", []float64{300, 650, 1000, 1350, 1700, 2050}, 1350, 2050)
	if frames := len(content(listener.packets, codec.PCMA)); frames < 60 {
		t.Errorf("%d frames", frames)
	}
}

// Loud voices add up to the limit of 16 bits and do not wrap around.
func TestMixSaturates(t *testing.T) {
	st := newStudio(t, 1)
	m := st.mixer(MixerOptions{})
	var parties []*party
	var talks []func(int)
	for i := range 4 {
		p := st.leg(nil)
		p.s.Mix(m, MixOptions{})
		parties, talks = append(parties, p), append(talks, p.tone(400, 28000, 4))
		_ = i
	}
	st.run(time.Second, all(talks...), parties...)
	pcm := parties[0].latest(25)
	for i := 1; i < len(pcm); i++ {
		if d := int(pcm[i]) - int(pcm[i-1]); d > 40000 || d < -40000 {
			t.Fatalf("the wave jumps by %d at %d", d, i)
		}
	}
	if level := mediatest.LevelAt(mediatest.Floats(pcm), 400, audio.SampleRate); level < 28000 {
		t.Errorf("level %.0f", level)
	}
}

// Keys pressed in a mix are reported and not heard, as events or in the audio.
func TestMixKeepsKeysToItself(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	inband := st.leg(func(o *SessionOptions) { o.Digits = DigitsInband })
	m := st.mixer(MixerOptions{})
	for _, x := range []*party{a, b, inband} {
		x.s.Mix(m, MixOptions{})
	}
	st.run(200*time.Millisecond, nil, a, b, inband)
	pt := a.s.Negotiated().EventSend.PT
	st.run(300*time.Millisecond, a.press(7, pt), a, b, inband)
	if a.events.digits() != "7" || len(content(b.packets, codec.PCMA)) != 0 {
		t.Fatalf("reported %q, %d frames heard", a.events.digits(), len(content(b.packets, codec.PCMA)))
	}
	for _, h := range b.packets {
		if h.pt != codec.PCMA.PT {
			t.Fatalf("payload type %d passed on", h.pt)
		}
	}
	st.run(600*time.Millisecond, inband.pressed("5", nil), a, b, inband)
	if got := inband.events.digits(); got != "5" {
		t.Fatalf("in the audio: %q", got)
	}
	if n := len(content(b.packets, codec.PCMA)); n > 3 {
		t.Errorf("%d frames of the key heard", n)
	}
}

// What is played to the mix is heard by all; a tone is heard beside it.
func TestMixPlays(t *testing.T) {
	st := newStudio(t, 1)
	var d diary
	m := st.mixer(MixerOptions{Sink: d.note})
	a, b := st.leg(nil), st.leg(nil, codec.PCMU)
	a.s.Mix(m, MixOptions{})
	b.s.Mix(m, MixOptions{Role: MixListener})
	st.run(100*time.Millisecond, nil, a, b)
	m.Play(Playback{Parts: []*sound.Prompt{sound.NewPrompt(mediatest.Sine(400, audio.SampleRate, audio.SampleRate, 3000))}, Loop: true})
	id := m.Play(Playback{Parts: []*sound.Prompt{sound.NewPrompt(mediatest.Sine(900, audio.SampleRate, audio.SampleRate, 3000))}})
	m.Chime(sound.NewPrompt(mediatest.Sine(1500, audio.SampleRate, audio.SampleRate, 3000)))
	st.run(700*time.Millisecond, nil, a, b)
	a.hears("a", threeTones, 900, 1500)
	b.hears("b", threeTones, 900, 1500)
	st.run(time.Second, nil, a, b)
	a.hears("a later", threeTones)
	ended := d.of(PlayEnded)
	if len(ended) != 2 || ended[0].Reason != ReasonReplaced || ended[1].Play != id || !ended[1].Completed || ended[1].PlayedMs != 1000 {
		t.Fatalf("%+v", ended)
	}
	m.Play(Playback{Parts: []*sound.Prompt{ramp(5)}, Volume: 0.1})
	m.StopPlay()
	st.run(100*time.Millisecond, nil, a, b)
	if ended = d.of(PlayEnded); ended[len(ended)-1].Reason != ReasonStopped {
		t.Fatalf("%+v", ended)
	}
}

// The recording of a mix holds every voice, what was played, and none of what a
// coach said; it is complete when the mixer ends.
func TestMixRecording(t *testing.T) {
	st := newStudio(t, 2)
	var d diary
	m := st.mixer(MixerOptions{Sink: d.note})
	file := tempFile(t)
	m.Record(NewRecorder(file, RecorderOptions{Mixed: true}))
	a, b, c := st.leg(nil), st.leg(nil), st.leg(nil)
	a.s.Mix(m, MixOptions{})
	b.s.Mix(m, MixOptions{})
	c.s.Mix(m, MixOptions{Role: MixCoach, Coach: a.s})
	talk := all(a.tone(400, 3000, 1), b.tone(900, 3000, 9), c.tone(1500, 3000, 14))
	st.run(2*time.Second, talk, a, b, c)
	b.s.Close()
	st.run(time.Second, talk, a, c)
	m.Close()
	st.run(200*time.Millisecond, nil, a, c)
	waitFor(t, func() bool { return len(d.of(RecordEnded)) == 1 })
	pcm := readWAV(t, file, 1)
	if ms := len(pcm) * 1000 / audio.SampleRate; ms < 2950 || ms > 3100 || d.of(RecordEnded)[0].DurationMs < 2950 {
		t.Fatalf("%d ms, %+v", ms, d.of(RecordEnded))
	}
	both, alone := pcm[audio.SampleRate:3*audio.SampleRate/2], pcm[5*audio.SampleRate/2:]
	for _, check := range []struct {
		name     string
		pcm      []int16
		hz       float64
		expected bool
	}{
		{"both", both, 400, true}, {"both", both, 900, true}, {"both", both, 1500, false},
		{"alone", alone, 400, true}, {"alone", alone, 900, false},
	} {
		if level := mediatest.LevelAt(mediatest.Floats(check.pcm), check.hz, audio.SampleRate); check.expected != (level > 2000) {
			t.Errorf("%s: %.0f Hz at %.0f", check.name, check.hz, level)
		}
	}
}

// A hundred members in virtual time, three of whom talk: each hears the right
// ones, and one more is refused.
func TestMixOfAHundred(t *testing.T) {
	st := newStudio(t, 2)
	m := st.mixer(MixerOptions{})
	var parties []*party
	for range MaxMixMembers {
		p := st.leg(nil)
		p.s.Mix(m, MixOptions{})
		parties = append(parties, p)
	}
	talk := all(parties[0].tone(400, 3000, 3), parties[40].tone(900, 3000, 11), parties[99].tone(1500, 3000, 18))
	st.run(300*time.Millisecond, talk, parties...)
	extra := st.leg(nil)
	extra.s.Mix(m, MixOptions{})
	st.run(600*time.Millisecond, talk, append(parties, extra)...)
	for i, p := range parties {
		want := map[int][]float64{0: {900, 1500}, 40: {400, 1500}, 99: {400, 900}}[i]
		if want == nil {
			want = threeTones
		}
		p.hears(fmt.Sprint("member ", i), threeTones, want...)
		steady(t, p.packets, 0)
	}
	extra.hears("one too many", threeTones)
	if len(m.members) != MaxMixMembers || st.engine.Stats().Commands == 0 {
		t.Errorf("%d members, %d refused", len(m.members), st.engine.Stats().Commands)
	}
}

// A frame of a mix allocates nothing.
func TestMixFrameAllocatesNothing(t *testing.T) {
	st := newStudio(t, 1)
	m := st.mixer(MixerOptions{Speakers: 3})
	var parties []*party
	for range 20 {
		p := st.leg(nil)
		p.s.Mix(m, MixOptions{})
		parties = append(parties, p)
	}
	st.run(100*time.Millisecond, nil, parties...)
	sh, pcm, now := st.engine.shards[0], mediatest.Sine(400, audio.SampleRate, audio.FrameSamples, 3000), st.clk.Now()
	io := &mirrorIO{from: parties[0].conn.addr}
	n := uint32(0)
	if allocs := testing.AllocsPerRun(200, func() {
		n++
		for _, p := range parties[:10] {
			p.s.leg.mix.spoken(&p.s.leg, n*audio.FrameSamples, pcm, 0)
		}
		for range slotCount {
			now = now.Add(slotLength)
			sh.tick(now, io)
		}
	}); allocs != 0 {
		t.Fatalf("%.1f allocations a frame", allocs)
	}
	if fr := &m.frames[m.done&mixMask]; !fr.sounds {
		t.Fatal("nothing was mixed")
	}
}

func TestMixerLimit(t *testing.T) {
	st := newStudio(t, 1)
	st.engine.mu.Lock()
	crowd := make([]Mixer, maxMixers)
	for i := range crowd {
		st.engine.mixers[&crowd[i]] = struct{}{}
	}
	st.engine.mu.Unlock()
	_, err := st.engine.NewMixer(MixerOptions{})
	st.engine.mu.Lock()
	clear(st.engine.mixers)
	st.engine.mu.Unlock()
	if err == nil || st.engine.Stats().Refused != 1 {
		t.Fatalf("%v", err)
	}
}
