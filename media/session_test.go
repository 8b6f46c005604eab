package media

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

func timeout(d time.Duration) func(*SessionOptions) {
	return func(o *SessionOptions) { o.MediaTimeout = d }
}

func TestMediaTimeout(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(timeout(2 * time.Second))
	st.run(10*time.Second, nil, p)
	if n := len(p.events.of(MediaLost)); n != 0 {
		t.Fatal("a caller that never sends is kept")
	}
	st.run(time.Second, p.talk(1), p)
	start := st.clk.Now()
	st.run(10*time.Second, nil, p)
	lost := p.events.of(MediaLost)
	if len(lost) != 1 {
		t.Fatalf("%d events", len(lost))
	}
	if after := lost[0].At.Sub(start); after < 1900*time.Millisecond || after > 2100*time.Millisecond {
		t.Fatalf("after %v", after)
	}
	// Again after the next loss.
	st.run(time.Second, p.talk(1), p)
	st.run(3*time.Second, nil, p)
	if n := len(p.events.of(MediaLost)); n != 2 {
		t.Fatalf("%d events", n)
	}
}

func TestMediaTimeoutFromTheStartWhenRequired(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(func(o *SessionOptions) { o.MediaTimeout, o.RequireMedia = time.Second, true })
	off := st.leg(timeout(-1))
	st.run(500*time.Millisecond, off.talk(1), p, off)
	st.run(1500*time.Millisecond, nil, p, off)
	if n := len(p.events.of(MediaLost)); n != 1 {
		t.Fatalf("%d events", n)
	}
	if n := len(off.events.of(MediaLost)); n != 0 {
		t.Fatal("a negative timeout is off")
	}
}

// reoffer sends an offer of the session with a direction of ours.
func (p *party) reoffer(dir sdp.Direction) {
	p.st.t.Helper()
	theirs := p.local
	theirs.Direction = sdp.SendRecv
	answer, _, err := sdp.BuildAnswer(theirs, p.s.Reoffer(dir))
	if err != nil {
		p.st.t.Fatal(err)
	}
	if err := p.s.Accept(answer); err != nil {
		p.st.t.Fatal(err)
	}
}

func TestMediaTimeoutStandsStillWhileHeld(t *testing.T) {
	holds := map[string]func(p *party){
		"by us":                 func(p *party) { p.s.Hold(true) },
		"by them, inactive":     func(p *party) { p.offer(sdp.Inactive) },
		"by them, receive only": func(p *party) { p.offer(sdp.RecvOnly) },
		"by them, send only":    func(p *party) { p.offer(sdp.SendOnly) },
		"by our offer":          func(p *party) { p.reoffer(sdp.SendOnly) },
	}
	for name, hold := range holds {
		st := newStudio(t, 1)
		p := st.leg(timeout(time.Second))
		st.run(500*time.Millisecond, p.talk(1), p)
		hold(p)
		st.run(5*time.Second, nil, p)
		if n := len(p.events.of(MediaLost)); n != 0 {
			t.Errorf("%s: lost while held", name)
		}
		p.s.Hold(false)
		p.reoffer(sdp.SendRecv)
		st.run(900*time.Millisecond, nil, p)
		if n := len(p.events.of(MediaLost)); n != 0 {
			t.Errorf("%s: lost too early", name)
		}
		st.run(300*time.Millisecond, nil, p)
		if n := len(p.events.of(MediaLost)); n != 1 {
			t.Errorf("%s: %d events after resuming", name, n)
		}
	}
}

// Hold by the peer: nothing is sent, the timestamp runs on, the first packet
// afterwards has a marker, and the prompt waits.
func TestHoldByDirection(t *testing.T) {
	for _, dir := range []sdp.Direction{sdp.SendOnly, sdp.Inactive} {
		st := newStudio(t, 1)
		p := st.leg(nil)
		prompt := ramp(60)
		st.run(100*time.Millisecond, nil, p)
		p.s.Play(Playback{Parts: []*sound.Prompt{prompt}})
		st.run(500*time.Millisecond, nil, p)
		p.offer(dir)
		st.run(60*time.Millisecond, nil, p)
		n := len(p.packets)
		st.run(2*time.Second, nil, p)
		if len(p.packets) != n {
			t.Fatalf("%s: %d packets sent", dir, len(p.packets)-n)
		}
		p.offer(sdp.SendRecv)
		st.run(2*time.Second, nil, p)
		steady(t, p.packets[:n], 0)
		steady(t, p.packets[n:], 0)
		a, b := p.packets[n-1], p.packets[n]
		if !b.marker || b.seq != a.seq+1 || b.ssrc != a.ssrc {
			t.Fatalf("%s: resumes with %+v after %+v", dir, b, a)
		}
		if run := time.Duration(b.ts-a.ts) * time.Second / audio.SampleRate; run != b.at-a.at {
			t.Fatalf("%s: the timestamp moved by %v in %v", dir, run, b.at-a.at)
		}
		if got := len(content(p.packets, codec.PCMA)); got != prompt.Frames() {
			t.Fatalf("%s: %d of %d frames", dir, got, prompt.Frames())
		}
		if e := p.events.of(PlayEnded); len(e) != 1 || !e[0].Completed || e[0].PlayedMs != 1200 {
			t.Fatalf("%s: %+v", dir, e)
		}
	}
}

// A prompt waits for who holds us, but not for ever: then it goes on unheard.
func TestPromptGoesOnWithoutWhoHolds(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	p.s.Play(Playback{Parts: []*sound.Prompt{ramp(100)}}) // 2 s
	st.run(500*time.Millisecond, nil, p)
	p.offer(sdp.SendOnly)
	st.run(holdPatience+time.Second, nil, p)
	if n := len(p.events.of(PlayEnded)); n != 0 {
		t.Fatal("it has ended too early")
	}
	st.run(time.Second, nil, p)
	if e := p.events.of(PlayEnded); len(e) != 1 || !e[0].Completed || e[0].PlayedMs < 400 || e[0].PlayedMs > 600 {
		t.Fatalf("%+v", e)
	}
}

func TestReceiveOnlyPeerIsNotHeardButHears(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	p.offer(sdp.RecvOnly)
	p.s.Start()
	st.run(time.Second, p.talk(1), p)
	steady(t, p.packets, 0)
	if s := p.s.Stats(); s.Received != 0 || s.Dropped == 0 {
		t.Fatalf("%+v", s)
	}
}

func TestSourceChangeGoesOn(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(time.Second, p.talk(1), p)
	p.ssrc, p.seq, p.ts = 77, 4, 5
	st.run(time.Second, p.talk(1), p)
	st.run(20*time.Millisecond, nil, p)
	s := p.s.Stats()
	if s.Received != 100 || s.Lost != 0 || s.JitterMs > 1 {
		t.Fatalf("%+v", s)
	}
}

func TestJitterIsMeasuredFromArrivalNotFromReading(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	n := 0
	st.run(4*time.Second, func(ms int) {
		if due := n*20 + n%2*6; ms == due {
			p.say(voice(n))
			n++
		}
	}, p)
	if j := p.s.Stats().JitterMs; j < 5 || j > 7 {
		t.Fatalf("%.1f ms, want 6", j)
	}
}

// Ten packets of 10 ms each 100 ms and frames of 30 ms are read in time.
func TestOtherPacketTimes(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	half := voice(1)[:audio.FrameSamples/2]
	st.run(2*time.Second, func(ms int) {
		if ms%10 == 1 {
			p.say(half)
		}
	}, p)
	st.run(60*time.Millisecond, nil, p)
	if s := p.s.Stats(); s.Received != 200 || s.Lost != 0 {
		t.Fatalf("%+v", s)
	}
}

// Garbage at 20,000 packets a second on a socket whose source is not pinned
// yet does not cost the call its own packets.
func TestFloodDoesNotStarveTheCall(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(func(o *SessionOptions) { o.Symmetric = p2.Addr() })
	conn, err := st.fabric.Listen(p2)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	st.run(2*time.Second, func(ms int) {
		for i := range 20 {
			conn.Send(p.s.LocalAddr(), []byte{byte(i), 1, 2})
		}
		if ms%20 == 9 {
			p.say(voice(n))
			n++
		}
	}, p)
	st.run(60*time.Millisecond, nil, p)
	if s := p.s.Stats(); s.Received < uint64(n)-1 {
		t.Fatalf("%d of %d packets", s.Received, n)
	}
	steady(t, p.packets, 0)
}

// A sink that does not return stops the reading, not the sending, and no
// digit is lost.
func TestStalledSinkLosesNoDigits(t *testing.T) {
	st := newStudio(t, 1)
	sh := st.engine.shards[0]
	p := st.leg(nil)
	st.run(60*time.Millisecond, nil, p)
	for range outboxHigh {
		sh.outbox = append(sh.outbox, notice{sink: func(Event) {}})
		st.clk.Busy(1)
	}
	st.engine.notes.mu.Lock() // nothing can be handed over
	now := st.clk.Now()
	pt := p.s.Negotiated().EventSend.PT
	p.sendEvent(pt, p.ts, telephoneEvent{5, true, 160})
	for i := 1; i <= 10; i++ {
		sh.tick(now.Add(time.Duration(i)*audio.FrameDuration), st.fabric)
	}
	st.engine.notes.mu.Unlock()
	p.listen()
	if n := len(p.packets); n < 12 {
		t.Fatalf("%d packets sent meanwhile", n)
	}
	if p.events.digits() != "" || st.engine.Stats().Stalled == 0 {
		t.Fatal("read although nothing could be handed over")
	}
	sh.tick(now.Add(11*audio.FrameDuration), st.fabric)
	sh.tick(now.Add(12*audio.FrameDuration), st.fabric)
	st.clk.Settle()
	if p.events.digits() != "5" {
		t.Fatalf("digits %q", p.events.digits())
	}
}

func TestEventsBeyondTheLimitAreCounted(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	sh := newShard(st.engine, 9)
	for range outboxLimit + 3 {
		sh.emit(p.s, Event{Kind: MediaLost})
	}
	if len(sh.outbox) != outboxLimit || sh.stats.eventsDropped.Load() != 3 {
		t.Fatalf("%d queued, %d dropped", len(sh.outbox), sh.stats.eventsDropped.Load())
	}
	st.clk.Busy(-outboxLimit)
}
