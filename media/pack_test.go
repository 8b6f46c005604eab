package media

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

// Packets have the length that the peer asks for, evenly in time, and hold the
// same audio.
func TestPacketTimes(t *testing.T) {
	for _, c := range []*codec.Codec{codec.PCMA, codec.PCMU, codec.G722, codec.Opus} {
		for _, ms := range []int{10, 20, 30, 40, 50, 60} {
			if testing.Short() && ms%30 != 0 {
				continue
			}
			st := newStudio(t, 1)
			p := st.open(func(o *SessionOptions) { o.Codecs = codec.All() }, c)
			p.local.PtimeMs = ms
			p.offer(sdp.SendRecv)
			p.s.Start()
			want := p.s.Negotiated().PtimeMs
			if want == 0 || want > ms && want > 20 || c.Steady && want != ms {
				t.Fatalf("%s, %d ms: agreed on %d", c, ms, want)
			}
			p.s.Play(Playback{Parts: []*sound.Prompt{sound.NewPrompt(mediatest.Sine(800, audio.SampleRate, 3*audio.SampleRate, 8000))}})
			st.run(3*time.Second, nil, p)
			expectTone(t, c.Name, heardTone(p.packets, c)[c.Rate/5:], 800, c)
			length := uint32(want) * 8
			for i, h := range p.packets {
				if got := c.Length(h.payload); got != length {
					t.Fatalf("%s, %d ms: packet %d has %d units", c, ms, i, got)
				}
				if i == 0 {
					continue
				}
				before := p.packets[i-1]
				if h.seq != before.seq+1 || h.ts-before.ts != length*c.Factor() {
					t.Fatalf("%s, %d ms: packet %d: ts +%d", c, ms, i, h.ts-before.ts)
				}
				if gap := (h.at - before.at).Milliseconds(); i > 2 && (gap < int64(want)-5 || gap > int64(want)+5) {
					t.Fatalf("%s, %d ms: packet %d comes %d ms after the one before", c, ms, i, gap)
				}
			}
			if n := len(p.packets) * want; n < 2900 || n > 3050 {
				t.Errorf("%s, %d ms: %d ms sent in 3 s", c, ms, n)
			}
		}
	}
}

// Keys and audio keep their order where packets are longer than frames.
func TestKeysBetweenLongPackets(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	p.local.PtimeMs = 60
	p.offer(sdp.SendRecv)
	p.s.Start()
	st.run(500*time.Millisecond, nil, p)
	mediatest.Must(t, p.s.SendDigits("12"))
	st.run(1500*time.Millisecond, nil, p)
	keys := 0
	for i := 1; i < len(p.packets); i++ {
		a, b := p.packets[i-1], p.packets[i]
		if b.seq != a.seq+1 || int32(b.ts-a.ts) < 0 {
			t.Fatalf("packet %d: seq %d after %d, ts %+d", i, b.seq, a.seq, int32(b.ts-a.ts))
		}
		if b.pt != codec.PCMA.PT && b.marker {
			keys++
		}
	}
	if keys != 2 {
		t.Errorf("%d keys", keys)
	}
}

func TestJoinOpus(t *testing.T) {
	e, d := codec.Opus.NewEncoder(), codec.Opus.NewDecoder()
	in := mediatest.Sine(600, audio.WideRate, 12*audio.WideFrame, 8000)
	pcm := make([]int16, codec.MaxDecoded)
	for frames := 1; frames <= 3; frames++ {
		var data []byte
		var ends []int
		code := make([]byte, codec.MaxPayload)
		for i := range frames {
			data = append(data, code[:e.Encode(code, in[i*audio.WideFrame:][:audio.WideFrame])]...)
			ends = append(ends, len(data))
		}
		joined := joinOpus(nil, data, ends)
		if n := d.Decode(pcm, joined); n != frames*audio.WideFrame || codec.Opus.Length(joined) != uint32(frames*audio.FrameSamples) {
			t.Errorf("%d frames: %d samples, %d units", frames, n, codec.Opus.Length(joined))
		}
	}
	// Lengths above 251 take two bytes.
	long := append([]byte{0x48}, make([]byte, 600)...)
	joined := joinOpus(nil, append(append([]byte(nil), long...), long...), []int{601, 1202})
	if n := 4*int(joined[3]) + int(joined[2]); n != 600 || len(joined) != 4+1200 {
		t.Errorf("length %d in %d bytes", n, len(joined))
	}
}
