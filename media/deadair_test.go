package media

import (
	"math"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

// live says audio that is encoded packet by packet, as phones do: silence is
// what their codec makes of it, and not a packet that is empty.
func (p *party) live(c *codec.Codec) (silence, tone func(ms int)) {
	enc, phase := c.NewEncoder(), 0
	speak := func(amplitude float64) func(ms int) {
		return func(ms int) {
			if ms%20 != 1 {
				return
			}
			pcm := make([]int16, c.Rate/50)
			for i := range pcm {
				pcm[i] = int16(amplitude*math.Sin(2*math.Pi*440*float64(phase)/float64(c.Rate))) + int16(phase%2)
				phase++
			}
			payload := make([]byte, codec.MaxPayload)
			p.send(c.PT, false, payload[:enc.Encode(payload, pcm)])
			p.ts += uint32(audio.FrameSamples) * c.Factor()
		}
	}
	return speak(0), speak(6000)
}

// TestSilenceOnHoldIsNoMusic: what a holding phone sends is music only while it
// is heard, in every codec, whether or not somebody listens already.
func TestSilenceOnHoldIsNoMusic(t *testing.T) {
	for _, c := range []*codec.Codec{codec.PCMA, codec.PCMU, codec.G722, codec.Opus} {
		for name, voice := range map[string]time.Duration{"": 0, " with a listener": 300 * time.Millisecond} {
			t.Run(c.Name+name, func(t *testing.T) {
				st := newStudio(t, 1)
				p := st.leg(func(o *SessionOptions) { o.Voice, o.Codecs = voice, codec.All() }, c)
				silence, tone := p.live(c)
				p.offer(sdp.SendOnly)
				st.run(2*time.Second, silence, p)
				if at := p.s.LastMusic(); !at.IsZero() {
					t.Fatal("silence is music")
				}
				st.run(2*time.Second, tone, p)
				ended := st.clk.Now()
				if at := p.s.LastMusic(); ended.Sub(at) > 3*audio.FrameDuration {
					t.Fatalf("a tone is no music since %v", ended.Sub(at))
				}
				st.run(2*time.Second, silence, p)
				if late := p.s.LastMusic().Sub(ended); late > 200*time.Millisecond {
					t.Fatalf("silence is music for %v", late)
				}
			})
		}
	}
}

// TestLongSilentPacketsOfG722 are no sound for those who look for dead calls.
func TestLongSilentPacketsOfG722(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(func(o *SessionOptions) { o.Codecs = codec.All() }, codec.G722)
	silence, tone := p.live(codec.G722)
	st.run(2*time.Second, silence, p)
	if !p.s.LastSound().IsZero() {
		t.Fatal("silence is sound")
	}
	st.run(time.Second, tone, p)
	if p.s.LastSound().IsZero() {
		t.Fatal("a tone is no sound")
	}
}
