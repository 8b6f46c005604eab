package media

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

// TestMovesAreBounded: a session whose partner runs from shard to shard gives
// up the bridge.
func TestMovesAreBounded(t *testing.T) {
	ours, theirs := &shard{}, &shard{}
	l, other := &leg{}, &Session{}
	other.home.Store(theirs)
	for i := range maxMoves {
		if l.join(ours, other, 1) {
			t.Fatalf("gave up after %d moves", i)
		}
	}
	if !l.join(ours, other, 1) {
		t.Fatal("it goes on for ever")
	}
}

func TestShardsAreBounded(t *testing.T) {
	c := Config{Shards: maxShards + 1}
	if err := c.complete(clock.NewVirtual(time.Unix(0, 0))); err != nil || c.Shards != maxShards {
		t.Fatalf("%d shards, %v", c.Shards, err)
	}
}

// TestJumpOfSequence: RFC 3550 §A.1, below it the missing ones are lost, from
// there on the source is believed to have begun anew.
func TestJumpOfSequence(t *testing.T) {
	for ahead, want := range map[uint16]arrival{maxDropout - 1: arrivalNext, maxDropout: arrivalDuplicate} {
		var st receiveStats
		st.seen(1, 10)
		if got := st.seen(1, 10+ahead); got != want {
			t.Errorf("%d ahead: %d, want %d", ahead, got, want)
		}
	}
}

// TestLongPacketsAreNotBelieved: what a timestamp claims to be longer than any
// packet is neither made up for nor counted as lost.
func TestLongPacketsAreNotBelieved(t *testing.T) {
	const most = sdp.MaxPtimeMs * audio.SampleRate / 1000
	for units, believed := range map[int]bool{most: true, most + 1: false} {
		dec := &refuser{}
		l := &leg{spoken: true}
		sh := &shard{}
		sh.pcm = [len(sh.pcm)]int16{}
		l.makeUp(sh, &packet{ts: uint32(2 * units)}, codec.G722, dec, 1, 0)
		if (dec.asked > 0) != believed {
			t.Errorf("%d units: the decoder was asked %d times", units, dec.asked)
		}
		var la lane
		pcm := make([]int16, audio.FrameSamples)
		la.put(0, pcm, 0, 0, 0, true)
		la.put(uint32(2*units), pcm, 1, int64(2*units), 0, true)
		if (la.lost > 0) != believed {
			t.Errorf("%d units: %d holes", units, la.lost)
		}
	}
}

// refuser is a decoder that makes up for nothing.
type refuser struct{ asked int }

func (*refuser) Decode([]int16, []byte) int { return 0 }

func (r *refuser) Conceal([]int16, []byte) bool { r.asked++; return false }

func TestOldStampsAreNotBelieved(t *testing.T) {
	sh := &shard{now: time.Unix(100, 0)}
	for ago, want := range map[time.Duration]time.Duration{maxAge: maxAge, maxAge + 1: maxAge, maxAge - 1: maxAge - 1} {
		if got := sh.age(sh.now.Add(-ago).UnixNano()); got != want {
			t.Errorf("%s ago: %s", ago, got)
		}
	}
}
