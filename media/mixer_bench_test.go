package media

import (
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/sdp"
)

// BenchmarkMixing is conferences on the machine's sockets: members send and
// hear, three of them in conversation and fifty in a meeting. CPU per
// member-second, the floor of the same packets in the same run, their ratio.
func BenchmarkMixing(b *testing.B) {
	for _, size := range []int{3, 50} {
		for _, members := range []int{150, 300} {
			b.Run(fmt.Sprintf("party=%d/members=%d", size, members), func(b *testing.B) {
				for range b.N {
					perCall, floor := measureMixing(b, size, members, 3*time.Second)
					b.ReportMetric(perCall, "cpu-µs/member-s")
					b.ReportMetric(floor, "floor-µs/member-s")
					b.ReportMetric(perCall/floor, "×floor")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

// measureMixing lets n peers talk in conferences of one size.
func measureMixing(b *testing.B, size, n int, d time.Duration) (perCall, floor float64) {
	b.Helper()
	e := realEngine(b, Config{})
	defer e.Close()
	crowd := newCrowd(b, n)
	defer crowd.close()
	sessions := make([]*Session, n)
	var m *Mixer
	for i := range sessions {
		s, err := e.Open(SessionOptions{})
		if err != nil {
			b.Fatal(err)
		}
		sessions[i], crowd.targets[i] = s, s.LocalAddr()
		if _, err := s.Answer(sdp.BuildOffer(sdp.Local{Addr: crowd.addr.Addr(), Port: crowd.ports[i], Codecs: []*codec.Codec{codec.PCMA}})); err != nil {
			b.Fatal(err)
		}
		s.Start()
		if i%size == 0 {
			if m, err = e.NewMixer(MixerOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		s.Mix(m, MixOptions{})
	}
	until(b, "all send", func() bool { return sessions[n-1].Stats().Sent > 25 })
	stop := crowd.run(true)
	until(b, "warm", past(500*time.Millisecond))
	before, begin := pacerTime(e), time.Now()
	until(b, "measured", past(d))
	took, used := time.Since(begin), pacerTime(e)-before
	stop()
	return used.Seconds() * 1e6 / float64(n) / took.Seconds(), floorTime(b, n, true)
}

// BenchmarkMixFrame is one member's share of a frame without the kernel: fifty
// members, all of whom make a sound.
func BenchmarkMixFrame(b *testing.B) {
	const members = 50
	st := newStudio(b, 1)
	m := st.mixer(MixerOptions{})
	var parties []*party
	for range members {
		p := st.leg(nil)
		p.s.Mix(m, MixOptions{})
		parties = append(parties, p)
	}
	st.run(100*time.Millisecond, nil, parties...)
	sh, pcm, now := st.engine.shards[0], mediatest.Sine(400, audio.SampleRate, audio.FrameSamples, 3000), st.clk.Now()
	io := &mirrorIO{from: parties[0].conn.addr}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += members {
		for _, p := range parties {
			p.s.leg.mix.spoken(&p.s.leg, uint32(n/members)*audio.FrameSamples, pcm, 0)
		}
		for range slotCount {
			now = now.Add(slotLength)
			sh.tick(now, io)
			sh.observe(now)
		}
	}
}
