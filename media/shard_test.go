package media

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// tickAllocs is what one pass over 20 ms allocates on average while everything
// goes on that may go on in a frame.
func tickAllocs(t *testing.T, prepare func(st *studio) []*party) float64 {
	t.Helper()
	st := newStudio(t, 1)
	parties := prepare(st)
	st.run(500*time.Millisecond, func(ms int) {
		for i, p := range parties {
			if ms%20 == i%20 {
				p.say(voice(ms))
			}
		}
	}, parties...)
	sh := st.engine.shards[0]
	now := st.clk.Now()
	payload := voice(3)
	var buf [codec.MaxPacket]byte
	return testing.AllocsPerRun(300, func() {
		for _, p := range parties {
			p.rawSay(payload)
		}
		for range slotCount {
			now = now.Add(slotLength)
			sh.tick(now, st.fabric)
			sh.observe(now)
		}
		for _, p := range parties {
			for {
				if _, _, ok := p.conn.Receive(buf[:]); !ok {
					break
				}
			}
		}
	})
}

// rawSay is say without an allocation of its own.
func (p *party) rawSay(payload []byte) {
	p.seq++
	var h [rtpHeader]byte
	putRTP(&h, false, codec.PCMA.PT, p.seq, p.ts, p.ssrc)
	p.ts += audio.FrameSamples
	f := p.conn.fabric
	f.mu.Lock()
	f.deliver(p.conn.addr, p.s.LocalAddr(), h[:], payload)
	f.mu.Unlock()
}

func TestNoAllocationPerFrame(t *testing.T) {
	cases := map[string]func(st *studio) []*party{
		"silence": func(st *studio) []*party { return []*party{st.leg(nil), st.leg(nil)} },
		"prompt": func(st *studio) []*party {
			p := st.leg(nil)
			p.s.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
			return []*party{p}
		},
		"prompt and recordings": func(st *studio) []*party {
			p := st.leg(nil)
			p.s.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
			p.s.Record(NewRecorder(tempFile(t), RecorderOptions{Stereo: true}))
			p.s.Record(NewRecorder(tempFile(t), RecorderOptions{Mixed: true}))
			return []*party{p}
		},
		"bridge": func(st *studio) []*party {
			a, b := st.leg(nil), st.leg(nil)
			a.s.Bridge(b.s)
			return []*party{a, b}
		},
		"transcoding bridge with recordings": func(st *studio) []*party {
			a, b := st.leg(nil, codec.PCMA), st.leg(nil, codec.PCMU)
			a.s.Bridge(b.s)
			a.s.Record(NewRecorder(tempFile(t), RecorderOptions{Stereo: true}))
			b.s.Record(NewRecorder(tempFile(t), RecorderOptions{Mixed: true, Silence: time.Hour}))
			return []*party{a, b}
		},
		"taps": func(st *studio) []*party {
			p := st.leg(nil)
			tap := NewTap(TapOptions{Inbound: true, Outbound: true, Feed: MaxFeed})
			tap.Feed(make([]int16, 100*audio.SampleRate))
			p.s.Tap(tap)
			go func() { // the reader allocates nothing either
				for f := range tap.Frames() {
					tap.Release(f)
				}
			}()
			return []*party{p}
		},
		"digits": func(st *studio) []*party {
			p := st.leg(nil)
			st.run(60*time.Millisecond, nil, p)
			for range 2 {
				if err := p.s.SendDigits("1w2w3w4w5w6w7w8w9w0w1w2w3w4w5w6w7w8w9w0w"); err != nil {
					t.Fatal(err)
				}
			}
			return []*party{p}
		},
	}
	for name, prepare := range cases {
		if n := tickAllocs(t, prepare); n != 0 {
			t.Errorf("%s: %v allocations per 20 ms", name, n)
		}
	}
}

func TestFrameAtIsTheInverseOfDueAt(t *testing.T) {
	for k := range slotCount {
		for f := int64(0); f < 5; f++ {
			due := dueAt(f, k)
			if frameAt(due, k) != f || frameAt(due-1, k) != f-1 || frameAt(due+audio.FrameDuration-1, k) != f {
				t.Fatalf("frame %d of slot %d", f, k)
			}
		}
	}
}

func TestLatenessBuckets(t *testing.T) {
	e, err := NewEngine(Config{Shards: 1}, clock.NewVirtual(time.Unix(0, 0)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	sh := e.shards[0]
	for _, ms := range []float64{0, 1, 1.5, 2, 4, 9, 19, 49, 51, 500} {
		sh.pass.late(time.Duration(ms*float64(time.Millisecond)), 3)
		sh.now, sh.at = e.base, 0
		sh.observe(e.base)
	}
	st := e.Stats()
	if st.Lateness != [latenessBuckets]uint64{6, 6, 3, 3, 3, 3, 6} {
		t.Fatalf("%v", st.Lateness)
	}
	if st.LatenessP99 != 100*time.Millisecond {
		t.Fatalf("%v", st.LatenessP99)
	}
	// A second later it is forgotten.
	sh.now, sh.at = e.base.Add(5*time.Second), 5*time.Second
	sh.pass.late(0, 1)
	sh.observe(sh.now)
	if p := quantile(recentOf(sh), 0.99); p != time.Millisecond {
		t.Fatalf("%v", p)
	}
}

func recentOf(sh *shard) (sum [latenessBuckets]uint64) {
	for i := range sum {
		sum[i] = sh.stats.recent[0][i].Load() + sh.stats.recent[1][i].Load()
	}
	return sum
}
