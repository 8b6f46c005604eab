package media

import (
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

// toneTalker lets a party say a tone in its codec, a packet every ptime.
type toneTalker struct {
	p     *party
	codec *codec.Codec
	enc   codec.Encoder
	hz    float64
	frame int
	lose  func(frame int) bool
}

func (x *toneTalker) at(phase int) func(ms int) {
	return func(ms int) {
		if ms%20 != phase {
			return
		}
		n := x.codec.FrameLen()
		pcm := make([]int16, n)
		copy(pcm, mediatest.Sine(x.hz, float64(x.codec.Rate), (x.frame+1)*n, 8000)[x.frame*n:])
		code := make([]byte, codec.MaxPayload)
		code = code[:x.enc.Encode(code, pcm)]
		if x.p.seq++; x.lose == nil || !x.lose(x.frame) {
			x.p.sendFrom(x.p.conn, x.p.local.PayloadType(x.codec), false, x.p.seq, x.p.ts, code)
		}
		x.p.ts += audio.FrameSamples * x.codec.Factor()
		x.frame++
	}
}

// heardTone is the audio of packets as a listener's decoder has it.
func heardTone(packets []heard, c *codec.Codec) (out []int16) {
	d, pcm := c.NewDecoder(), make([]int16, codec.MaxDecoded)
	for _, h := range packets {
		if h.pt == c.PT {
			out = append(out, pcm[:d.Decode(pcm, h.payload)]...)
		}
	}
	return out
}

func expectTone(t *testing.T, name string, pcm []int16, hz float64, c *codec.Codec) {
	t.Helper()
	if len(pcm) < c.Rate {
		t.Errorf("%s: only %d samples", name, len(pcm))
		return
	}
	share := mediatest.EnergyAt(pcm, hz, c.Rate) / (audio.Power(pcm) * float64(len(pcm)))
	if level := mediatest.LevelAgainst(pcm, 8000); level < -2 || level > 2 || share < 0.9 {
		t.Errorf("%s: %.1f dB, share of the tone %.3f", name, level, share)
	}
}

func wideLeg(st *studio, c *codec.Codec) *party {
	return st.leg(func(o *SessionOptions) { o.Codecs = codec.All() }, c)
}

// Every pair of codecs hears each other, with a steady stream.
func TestBridgeBetweenCodecs(t *testing.T) {
	for i, left := range codec.All() {
		for j, right := range codec.All() {
			if testing.Short() && j != (i+1)%len(codec.All()) { // each codec with one other under the race detector
				continue
			}
			name := fmt.Sprintf("%s and %s", left.Name, right.Name)
			st := newStudio(t, 2)
			a, b := wideLeg(st, left), wideLeg(st, right)
			x := &toneTalker{p: a, codec: left, enc: left.NewEncoder(), hz: 700}
			y := &toneTalker{p: b, codec: right, enc: right.NewEncoder(), hz: 1100}
			talk := both(x.at(3), y.at(11))
			st.run(100*time.Millisecond, talk, a, b)
			a.s.Bridge(b.s)
			st.run(400*time.Millisecond, talk, a, b)
			na, nb := len(a.packets), len(b.packets)
			st.run(2*time.Second, talk, a, b)
			expectTone(t, name+", right hears", heardTone(b.packets[nb:], right)[right.Rate/5:], 700, right)
			expectTone(t, name+", left hears", heardTone(a.packets[na:], left)[left.Rate/5:], 1100, left)
			for _, p := range []struct {
				packets []heard
				codec   *codec.Codec
			}{{a.packets, left}, {b.packets, right}} {
				for i := 1; i < len(p.packets); i++ {
					one, two := p.packets[i-1], p.packets[i]
					if step := two.ts - one.ts; two.seq != one.seq+1 || two.ssrc != one.ssrc || step == 0 || step > 6*audio.FrameSamples*p.codec.Factor() {
						t.Fatalf("%s: packet %d: seq %d after %d, ts +%d", name, i, two.seq, one.seq, step)
					}
				}
			}
		}
	}
}

// What is lost on the way in is heard as a loss, or restored by the codec.
func TestBridgeBetweenCodecsWithLosses(t *testing.T) {
	for _, c := range []*codec.Codec{codec.G722, codec.Opus} {
		st := newStudio(t, 1)
		a, b := wideLeg(st, c), wideLeg(st, codec.PCMA)
		x := &toneTalker{p: a, codec: c, enc: c.NewEncoder(), hz: 700, lose: func(f int) bool { return f > 30 && f%10 == 0 }}
		a.s.Bridge(b.s)
		st.run(3*time.Second, x.at(3), a, b)
		got := heardTone(b.packets[40:], codec.PCMA)
		want := int(float64(2*audio.SampleRate) * map[*codec.Codec]float64{codec.G722: 0.88, codec.Opus: 0.98}[c])
		if len(got) < want {
			t.Errorf("%s: %d samples heard, want %d", c, len(got), want)
		}
		lost := 0
		for i := 41; i < len(b.packets); i++ {
			lost += int(b.packets[i].seq - b.packets[i-1].seq - 1)
		}
		if c == codec.G722 && (lost < 8 || lost > 14) || c == codec.Opus && lost > 1 {
			t.Errorf("%s: the listener sees %d losses", c, lost)
		}
	}
}

// Keys go through with the clock of the other side.
func TestBridgeTranslatesKeys(t *testing.T) {
	st := newStudio(t, 1)
	a, b := wideLeg(st, codec.Opus), wideLeg(st, codec.PCMA)
	a.s.Bridge(b.s)
	st.run(100*time.Millisecond, nil, a, b)
	sent := a.s.Negotiated()
	if sent.EventSend.Clock != 48000 {
		t.Fatalf("events at %d Hz", sent.EventSend.Clock)
	}
	key := func(ms int) {
		if ms%20 == 3 && ms < 163 {
			d := uint16(ms/20+1) * 960
			a.send(sent.EventSend.PT, ms == 3, []byte{5, 10, byte(d >> 8), byte(d)})
		}
		if ms >= 163 && ms < 166 {
			a.send(sent.EventSend.PT, false, []byte{5, 10 | 0x80, 0x1e, 0})
		}
	}
	st.run(400*time.Millisecond, key, a, b)
	if a.events.digits() != "5" {
		t.Errorf("reported %q", a.events.digits())
	}
	last := uint16(0)
	for _, h := range b.packets {
		if h.pt == b.s.Negotiated().EventSend.PT {
			last = uint16(h.payload[2])<<8 | uint16(h.payload[3])
		}
	}
	if last != 1280 {
		t.Errorf("the key lasts %d at 8 kHz, want 1280", last)
	}
}

// Our own keys towards a peer with Opus are in its clock.
func TestKeysBesideOpus(t *testing.T) {
	st := newStudio(t, 1)
	p := wideLeg(st, codec.Opus)
	st.run(100*time.Millisecond, nil, p)
	mediatest.Must(t, p.s.SendDigits("7"))
	st.run(time.Second, nil, p)
	var last uint16
	for _, h := range p.packets {
		if h.pt == p.s.Negotiated().EventSend.PT {
			last = uint16(h.payload[2])<<8 | uint16(h.payload[3])
		}
	}
	if last != 7680 {
		t.Errorf("the key lasts %d at 48 kHz, want 7680", last)
	}
}

// A re-INVITE changes the codec in the middle of a prompt.
func TestCodecChangesUnderWay(t *testing.T) {
	st := newStudio(t, 1)
	p := wideLeg(st, codec.PCMA)
	p.s.Play(Playback{Parts: []*sound.Prompt{sound.NewPrompt(mediatest.Sine(900, audio.SampleRate, 7*audio.SampleRate, 8000))}})
	st.run(time.Second, nil, p)
	for _, c := range []*codec.Codec{codec.G722, codec.Opus, codec.PCMU, codec.Opus, codec.PCMA} {
		p.local.Codecs = []*codec.Codec{c}
		p.offer(sdp.SendRecv)
		st.run(200*time.Millisecond, nil, p)
		n := len(p.packets)
		st.run(1200*time.Millisecond, nil, p)
		if c == codec.PCMA {
			break // the prompt has ended
		}
		expectTone(t, "after the change to "+c.Name, heardTone(p.packets[n:], c)[c.Rate/10:], 900, c)
	}
	if len(p.events.of(PlayEnded)) != 1 {
		t.Error("the prompt has not ended once")
	}
}
