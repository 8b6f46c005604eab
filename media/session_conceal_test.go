package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

// guesser is a decoder with a way of its own to make up for what is lost: a
// constant that tells whether it saw what comes next.
type guesser struct{ guesses int }

func (*guesser) Decode(dst []int16, payload []byte) int {
	for i, b := range payload {
		dst[i] = int16(b) << 5
	}
	return len(payload)
}

func (g *guesser) Conceal(dst []int16, next []byte) bool {
	g.guesses++
	v := int16(1000)
	if next != nil {
		v = 2000
	}
	for i := range dst {
		dst[i] = v
	}
	return true
}

// A codec that can make up for lost packets is asked to, the packet after the
// gap at hand; what it says stands in the recording in the right place.
func TestCodecMakesUpForLostPackets(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(60*time.Millisecond, nil, p)
	f := tempFile(t)
	p.s.Record(NewRecorder(f, RecorderOptions{}))
	st.run(40*time.Millisecond, nil, p)
	l, sh := &p.s.leg, st.engine.shards[0]
	g := &guesser{}
	codec := &codec.Codec{Name: "guess", Clock: audio.SampleRate, Rate: audio.SampleRate}
	payload := make([]byte, audio.FrameSamples)
	for i := range payload {
		payload[i] = 200
	}
	lost := func(i int) bool { return i == 3 || i == 4 || i >= 10 && i < 20 }
	gap := 0
	for i := range 25 {
		if lost(i) {
			gap++
		} else {
			l.audio(sh, &packet{ssrc: 1, ts: uint32(i * audio.FrameSamples), payload: payload}, codec, g, gap, 0)
			gap = 0
		}
		st.run(20*time.Millisecond, nil, p)
	}
	p.s.StopRecord()
	st.run(100*time.Millisecond, nil, p)
	if g.guesses != 2+codecGaps {
		t.Fatalf("%d guesses", g.guesses)
	}
	pcm := readWAV(t, f, 1)
	for len(pcm) > 0 && pcm[0] == 0 {
		pcm = pcm[1:]
	}
	want := map[int]int16{2: 6400, 3: 1000, 4: 2000, 5: 6400, 10: 0, 14: 0, 15: 1000, 18: 1000, 19: 2000, 20: 6400}
	for i, v := range want {
		if got := pcm[i*audio.FrameSamples+audio.FrameSamples/2]; got != v {
			t.Errorf("frame %d: %d, want %d", i, got, v)
		}
	}
	// A packet that comes after its place was made up for changes nothing.
	guesses := g.guesses
	l.audio(sh, &packet{ssrc: 1, ts: 3 * audio.FrameSamples, payload: payload}, codec, g, -1, 0)
	if g.guesses != guesses {
		t.Error("a late packet was made up for")
	}
}

// A pause of a sender with PT 13 or with nothing at all is no loss, ends no
// call, and is silence in the recording: one word after another in their places.
func TestPausesOfTheSenderAreNoLoss(t *testing.T) {
	for _, noise := range []bool{false, true} {
		st := newStudio(t, 1)
		p := st.leg(func(o *SessionOptions) { o.MediaTimeout = 3 * time.Second })
		st.run(60*time.Millisecond, nil, p)
		f := tempFile(t)
		p.s.Record(NewRecorder(f, RecorderOptions{}))
		word := func(frames int) func(ms int) {
			return func(ms int) {
				if ms%20 == 5 && ms/20 < frames {
					p.say(voice(ms / 20))
				}
			}
		}
		for range 3 {
			st.run(400*time.Millisecond, word(20), p)
			for range 10 { // 2 s
				if noise {
					p.send(comfortPT, false, []byte{60})
				}
				p.ts += 10 * audio.FrameSamples
				st.run(200*time.Millisecond, nil, p)
			}
		}
		p.s.StopRecord()
		st.run(300*time.Millisecond, nil, p)
		s := p.s.Stats()
		if s.Lost != 0 || s.Dropped != 0 || len(p.events.of(MediaLost)) != 0 {
			t.Fatalf("noise %v: %+v", noise, s)
		}
		pcm := readWAV(t, f, 1)
		var said [20 * audio.FrameSamples]int16
		for i := range 20 {
			codec.PCMA.Decode(said[i*audio.FrameSamples:(i+1)*audio.FrameSamples], voice(i))
		}
		at := find(t, pcm, said[:])
		for k := range 3 {
			if got := find(t, pcm[at+k*120*audio.FrameSamples:], said[:]); got != 0 {
				t.Errorf("noise %v: word %d is %d samples off", noise, k, got)
			}
			for i, v := range pcm[at+k*120*audio.FrameSamples+20*audio.FrameSamples:][:100*audio.FrameSamples-recordDelay] {
				if v != 0 {
					t.Fatalf("noise %v: sound in pause %d after %d samples", noise, k, i)
				}
			}
		}
	}
}

// Sequence numbers and timestamps wrap, the source changes, both jump: every
// word is recorded whole.
func TestStreamsThatBeginAnewAreRecordedOn(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	p.seq, p.ts = 1<<16-30, 1<<32-30*audio.FrameSamples
	st.run(60*time.Millisecond, nil, p)
	f := tempFile(t)
	p.s.Record(NewRecorder(f, RecorderOptions{}))
	changes := []func(){
		func() {},
		func() { p.ssrc, p.seq, p.ts = 77, 5, 99 },
		func() { p.seq += 20000 },
		func() { p.ts += 1 << 30 },
		func() { p.ts -= 1 << 31 },
		func() { p.ssrc++ },
	}
	n := 0
	for _, change := range changes {
		change()
		st.run(time.Second, func(ms int) {
			if ms%20 == 5 {
				p.say(voice(n % 64))
				n++
			}
		}, p)
	}
	p.s.StopRecord()
	st.run(300*time.Millisecond, nil, p)
	pcm := readWAV(t, f, 1)
	for k := range changes {
		// The first packets after a jump of the sequence numbers are on trial.
		var word [40 * audio.FrameSamples]int16
		for i := range 40 {
			codec.PCMA.Decode(word[i*audio.FrameSamples:(i+1)*audio.FrameSamples], voice((k*50+5+i)%64))
		}
		find(t, pcm, word[:])
	}
	if s := p.s.Stats(); s.Lost > 3 {
		t.Errorf("%d lost", s.Lost)
	}
}

// RTCP on the port of RTP (RFC 5761) when the peer offers it, and only then.
func TestReportsShareThePortWhenOffered(t *testing.T) {
	for _, mux := range []bool{false, true} {
		st := newStudio(t, 1)
		p := st.open(nil)
		p.local.Mux = mux
		p.offer(sdp.SendRecv)
		if got := p.s.Negotiated().Mux; got != mux {
			t.Fatalf("agreed on %v", got)
		}
		if _, err := st.fabric.Listen(nextPort(p.conn.Addr())); err != nil {
			t.Fatal(err)
		}
		reports := 0
		var last []byte
		st.fabric.Lose = func(from, to netip.AddrPort, data []byte) bool {
			if isReport(data) && from.Addr() != p.conn.Addr().Addr() {
				reports++
				last = append([]byte(nil), data...)
				if want := p.conn.Addr().Port(); (to.Port() == want) != mux {
					t.Errorf("mux %v: a report to %v", mux, to)
				}
				return true // the party listens for RTP only
			}
			return false
		}
		p.s.Start()
		st.run(12*time.Second, p.talk(3), p)
		if reports < 1 || reports > 5 {
			t.Fatalf("mux %v: %d reports in 12 s", mux, reports)
		}
		if len(last) == 0 || last[1] != rtcpSR {
			t.Fatalf("% x", last)
		}
		// What the peer reports on the same port is read.
		rr := []byte{0x81, rtcpRR, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 128, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		copy(rr[8:12], last[4:8])
		st.run(60*time.Millisecond, nil, p)
		before := p.s.Stats()
		p.conn.Send(p.s.LocalAddr(), rr)
		st.run(100*time.Millisecond, nil, p)
		after := p.s.Stats()
		if got := after.RemoteLost == 9; got != mux || mux && after.Received != before.Received {
			t.Fatalf("mux %v: %+v", mux, after)
		}
		if p.s.Close(); mux {
			st.run(50*time.Millisecond, nil, p)
			if n := len(last); last[n-7] != rtcpBYE {
				t.Fatalf("no BYE at the end: % x", last)
			}
		}
	}
}
