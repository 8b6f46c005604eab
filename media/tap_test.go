package media

import (
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// listener reads a tap as a client does.
type listener struct {
	tap   *Tap
	mu    sync.Mutex
	audio [trackCount][]int16
	ats   [trackCount][]time.Duration
	done  chan struct{}
}

func listen(tap *Tap) *listener {
	l := &listener{tap: tap, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for f := range tap.Frames() {
			l.mu.Lock()
			l.audio[f.Track] = append(l.audio[f.Track], f.PCM[:]...)
			l.ats[f.Track] = append(l.ats[f.Track], f.At)
			l.mu.Unlock()
			tap.Release(f)
		}
	}()
	return l
}

func (l *listener) heard(track Track) []int16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]int16(nil), l.audio[track]...)
}

func TestTapHandsOutBothTracksBitExactly(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(60*time.Millisecond, nil, p)
	tap := NewTap(TapOptions{Inbound: true, Outbound: true})
	l := listen(tap)
	p.s.Tap(tap)
	prompt := ramp(50)
	p.s.Play(Playback{Parts: []*sound.Prompt{prompt}})
	talk, want := p.monologue(100, map[int]bool{50: true}, map[int]bool{20: true})
	st.run(2200*time.Millisecond, talk, p)
	p.s.Untap(tap)
	st.run(100*time.Millisecond, nil, p)
	<-l.done
	if at := findAround(t, l.heard(TrackInbound), want, 50); at > 2*audio.FrameSamples {
		t.Fatalf("begins %d samples late", at)
	}
	sent := make([]int16, len(prompt.PCM()))
	for i := range 50 {
		codec.PCMA.Decode(sent[i*audio.FrameSamples:], prompt.Encoded(codec.PCMA).Frame(i))
	}
	find(t, l.heard(TrackOutbound), sent)
	for track, ats := range l.ats {
		if n := len(ats); n < 105 || n > 111 {
			t.Errorf("%s: %d frames in 2.2 s", Track(track), n)
		}
		for i, at := range ats {
			if at != time.Duration(i)*audio.FrameDuration {
				t.Fatalf("%s: frame %d is at %v", Track(track), i, at)
			}
		}
	}
	if e := p.events.of(TapEnded); len(e) != 1 || e[0].Tap != tap || e[0].Reason != ReasonStopped {
		t.Fatalf("%+v", e)
	}
}

// A reader that is too slow loses the oldest frames and holds up nobody.
func TestTapDropsTheOldest(t *testing.T) {
	tap := NewTap(TapOptions{Inbound: true})
	st := newStudio(t, 1)
	sh := st.engine.shards[0]
	for i := range tapFrames + 10 {
		tap.lanes[0].ring[(tap.done)&laneMask] = int16(i)
		tap.emit(sh, TrackInbound)
		tap.done += audio.FrameSamples
	}
	tap.session = st.leg(nil).s
	if tap.Lost() != 10 {
		t.Fatalf("%d lost", tap.Lost())
	}
	first := <-tap.Frames()
	if first.PCM[0] != 10 || first.At != 10*audio.FrameDuration {
		t.Fatalf("the oldest is %d at %v", first.PCM[0], first.At)
	}
	// All frames in the reader's hands: nothing can be handed out.
	held := []*TapFrame{first}
	for len(tap.full) > 0 {
		held = append(held, <-tap.Frames())
	}
	tap.emit(sh, TrackInbound)
	if tap.Lost() != 11 {
		t.Fatalf("%d lost", tap.Lost())
	}
	for _, f := range held {
		tap.Release(f)
	}
}

func TestFeedIsHeardWithItsMarks(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	tap := NewTap(TapOptions{Feed: time.Second})
	p.s.Tap(tap)
	st.run(60*time.Millisecond, nil, p)
	prompt := ramp(20)
	pcm := prompt.PCM()
	tap.Mark(1) // nothing is before it
	for len(pcm) > 0 {
		n := min(len(pcm), 100) // pieces of any length
		if !tap.Feed(pcm[:n:n]) {
			t.Fatal("refused")
		}
		pcm = pcm[n:]
	}
	tap.Mark(2)
	st.run(800*time.Millisecond, nil, p)
	st.heardPrompt(t, p, prompt)
	marks := p.events.of(FeedMark)
	if len(marks) != 2 || marks[0].Mark != 1 || marks[1].Mark != 2 || !marks[0].Completed || !marks[1].Completed {
		t.Fatalf("%+v", marks)
	}
	if d := marks[1].At.Sub(marks[0].At); d < 350*time.Millisecond || d > 450*time.Millisecond {
		t.Fatalf("the second mark is %v after the first", d)
	}
	p.s.Untap(tap)
	st.run(40*time.Millisecond, nil, p)
}

// heardPrompt checks that the prompt was sent frame by frame.
func (st *studio) heardPrompt(t *testing.T, p *party, prompt *sound.Prompt) {
	t.Helper()
	want := prompt.Encoded(codec.PCMA)
	for i := range p.packets {
		if string(p.packets[i].payload) != string(want.Frame(0)) {
			continue
		}
		for f := range want.Frames() {
			if i+f >= len(p.packets) || string(p.packets[i+f].payload) != string(want.Frame(f)) {
				t.Fatalf("frame %d is not what was fed", f)
			}
		}
		return
	}
	t.Fatal("what was fed is not heard")
}

func TestFeedClear(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	tap := NewTap(TapOptions{})
	p.s.Tap(tap)
	st.run(60*time.Millisecond, nil, p)
	tap.Feed(append([]int16(nil), ramp(200).PCM()...))
	tap.Mark(7)
	st.run(500*time.Millisecond, nil, p)
	tap.Clear()
	tap.Mark(8) // after the clear: it counts
	st.run(100*time.Millisecond, nil, p)
	if tap.Queued() != 0 {
		t.Fatalf("%v still queued", tap.Queued())
	}
	marks := p.events.of(FeedMark)
	if len(marks) != 2 || marks[0].Mark != 7 || marks[0].Completed || marks[1].Mark != 8 || !marks[1].Completed {
		t.Fatalf("%+v", marks)
	}
	last := p.packets[len(p.packets)-1]
	if string(last.payload) != string(codec.PCMA.Silence()) {
		t.Fatal("it is still heard")
	}
	p.s.Close()
	st.run(40*time.Millisecond, nil, p)
	if e := p.events.of(TapEnded); len(e) != 1 || e[0].Reason != ReasonClosed {
		t.Fatalf("%+v", e)
	}
}

func TestFeedLimits(t *testing.T) {
	tap := NewTap(TapOptions{Feed: time.Second})
	if !tap.Feed(make([]int16, audio.SampleRate)) || tap.Feed(make([]int16, 1)) {
		t.Fatal("the limit is one second")
	}
	if tap.Refused() != time.Second/audio.SampleRate {
		t.Fatalf("%v refused", tap.Refused())
	}
	tap = NewTap(TapOptions{})
	for range feedNodes {
		if !tap.Mark(1) {
			t.Fatal("too early")
		}
	}
	if tap.Mark(1) || tap.Feed([]int16{1}) {
		t.Fatal("no limit of pieces")
	}
}

// A prompt goes before the feed, which waits; the feed goes before a bridge.
func TestFeedPriorities(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	a.s.Bridge(b.s)
	tap := NewTap(TapOptions{})
	a.s.Tap(tap)
	both := func(ms int) {
		if ms%20 == 3 {
			b.say(voice(ms))
		}
	}
	st.run(300*time.Millisecond, both, a, b)
	before := len(a.packets)
	fed := ramp(50)
	tap.Feed(append([]int16(nil), fed.PCM()...))
	st.run(200*time.Millisecond, both, a, b)
	prompt := sound.NewPrompt(make([]int16, audio.Samples(400*time.Millisecond)))
	a.s.Play(Playback{Parts: []*sound.Prompt{prompt}})
	st.run(100*time.Millisecond, both, a, b)
	waits := tap.Queued()
	st.run(200*time.Millisecond, both, a, b)
	if tap.Queued() != waits {
		t.Fatal("the feed does not wait for the prompt")
	}
	st.run(1200*time.Millisecond, both, a, b)
	if tap.Queued() != 0 {
		t.Fatalf("%v left", tap.Queued())
	}
	// While it is fed, the party hears 50 packets a second, not the bridge's
	// beside them; afterwards the bridge is back.
	if n := len(a.packets) - before; n < 80 || n > 90 {
		t.Fatalf("%d packets in 1.7 s", n)
	}
	last := string(a.packets[len(a.packets)-1].payload)
	if last == string(codec.PCMA.Silence()) || last == string(fed.Encoded(codec.PCMA).Frame(49)) {
		t.Fatal("the bridge is not heard again")
	}
	a.s.Untap(tap)
	st.run(40*time.Millisecond, nil, a, b)
}

func TestTapsPerSession(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	for range tapsPerSession + 1 {
		p.s.Tap(NewTap(TapOptions{}))
	}
	st.run(60*time.Millisecond, nil, p)
	if e := p.events.of(TapEnded); len(e) != 1 || e[0].Reason != ReasonLimit {
		t.Fatalf("%+v", e)
	}
	p.s.Close()
	st.run(60*time.Millisecond, nil, p)
	late := NewTap(TapOptions{Inbound: true})
	p.s.Tap(late)
	if _, open := <-late.Frames(); open {
		t.Fatal("a tap of a closed session is not closed")
	}
}

// A rest of the shards is left out of what a tap hands out.
func TestTapAndRest(t *testing.T) {
	tap := NewTap(TapOptions{Inbound: true})
	st := newStudio(t, 1)
	tap.session = st.leg(nil).s
	l := listen(tap)
	sh := st.engine.shards[0]
	tap.advance(sh, 800)
	tap.advance(sh, 800+3600*audio.SampleRate)
	close(tap.full)
	<-l.done
	if n := len(l.ats[0]); n > 10 {
		t.Fatalf("%d frames", n)
	}
	if last := l.ats[0][len(l.ats[0])-1]; last < 3599*time.Second {
		t.Fatalf("%v", last)
	}
}
