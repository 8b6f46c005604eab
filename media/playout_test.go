package media

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// hear plays packets out at our own pace and returns what is heard, and by how
// much each frame was held back.
func hear(o *playout, packets []sent, frames int) (pcm []int16, held []int64) {
	slices.SortStableFunc(packets, func(a, b sent) int { return int(a.at - b.at) })
	newest := -1
	var f [audio.FrameSamples]int16
	for i := range frames {
		now := int64(i * audio.FrameSamples)
		for len(packets) > 0 && packets[0].at <= now {
			p := packets[0]
			packets = packets[1:]
			gap := p.seq - newest - 1
			if newest < 0 {
				gap = 0
			}
			if gap < 0 {
				gap = -1
			} else {
				newest = p.seq
			}
			o.put(p.ts, append([]int16(nil), p.pcm...), gap, uint32(p.at))
		}
		o.next(&f, uint32(now))
		pcm = append(pcm, f[:]...)
		held = append(held, o.at-o.done+audio.FrameSamples)
	}
	return pcm, held
}

func TestPlayoutIsExactOnAGoodNetwork(t *testing.T) {
	pcm := speech(10 * audio.SampleRate)
	var o playout
	got, held := hear(&o, stream(pcm, 0, nil), 500)
	at := 2 * audio.FrameSamples
	for i, v := range got[at:] {
		if v != pcm[i] {
			t.Fatalf("sample %d differs", i)
		}
	}
	if slices.Max(held[10:]) > playoutLeast || o.grown+o.dropped > 0 {
		t.Fatalf("held back by %d samples, %d frames made up, %d left out", slices.Max(held[10:]), o.grown, o.dropped)
	}
}

// The delay follows the jitter: it grows to what is needed, loses next to
// nothing afterwards, and comes back when the network has recovered.
func TestPlayoutAdapts(t *testing.T) {
	rng := rand.New(rand.NewPCG(20, 26))
	pcm := speech(60 * audio.SampleRate)
	for i := range pcm { // a pause in every second
		if i%audio.SampleRate > 7*audio.SampleRate/8 {
			pcm[i] = 0
		}
	}
	bad := func(i int) int64 {
		if i > 0 && i < 1000 {
			return rng.Int64N(120 * 8)
		}
		return rng.Int64N(2 * 8)
	}
	var o playout
	_, held := hear(&o, stream(pcm, 0, bad), 2900)
	if h := held[900]; h < 120*8 || h > playoutMost {
		t.Errorf("held back by %d samples with 120 ms of jitter", h)
	}
	if h := held[2800]; h > playoutLeast+2*audio.FrameSamples {
		t.Errorf("still held back by %d samples on a good network", h)
	}
	if o.grown > 40 || o.dropped > 40 {
		t.Errorf("%d frames made up, %d left out", o.grown, o.dropped)
	}
}

// Reordered and repeated packets are heard as if nothing had happened to them.
func TestPlayoutPutsInOrder(t *testing.T) {
	pcm := speech(4 * audio.SampleRate)
	packets := stream(pcm, 0, func(i int) int64 {
		if i%7 == 3 {
			return 25 * 8 // after its successor
		}
		return 0
	})
	for i := range packets {
		if i%5 == 0 {
			twice := packets[i]
			twice.at += 80
			packets = append(packets, twice)
		}
	}
	var o playout
	got, _ := hear(&o, packets, 199)
	tail := got[len(got)-audio.SampleRate:]
	for at := range 20 * audio.FrameSamples {
		if db := snr(tail, pcm[len(got)-audio.SampleRate-at:len(got)-at]); db > 60 {
			return
		}
	}
	t.Fatal("not what was said")
}

// Ten per cent of the packets are lost: the rest is heard in its place and the
// holes are filled.
func TestPlayoutConcealsLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	pcm := speech(20 * audio.SampleRate)
	var packets []sent
	lost := 0
	for i, p := range stream(pcm, 0, nil) {
		if i > 0 && rng.Float64() < 0.1 {
			lost++
			continue
		}
		packets = append(packets, p)
	}
	var o playout
	got, _ := hear(&o, packets, 990)
	got = got[2*audio.FrameSamples:]
	silent := 0
	for i := 0; i+audio.FrameSamples <= len(got); i += audio.FrameSamples {
		if !audio.Loud(got[i : i+audio.FrameSamples]) {
			silent++
		}
	}
	if silent > lost/20 {
		t.Errorf("%d of %d lost frames are heard as silence", silent, lost)
	}
	if db := snr(got, pcm[:len(got)]); db < 10 {
		t.Errorf("%.1f dB with 10 %% lost", db)
	}
}

// A clock that is off by 200 ppm for an hour: the delay neither grows nor does
// the buffer starve.
func TestPlayoutFollowsDriftForAnHour(t *testing.T) {
	if testing.Short() {
		t.Skip("hours of audio in one goroutine")
	}
	tone := make([]int16, audio.FrameSamples)
	for i := range tone {
		tone[i] = int16(8000 * math.Sin(2*math.Pi*400*float64(i)/audio.SampleRate))
	}
	for _, ppm := range []float64{-200, 200} {
		rng := rand.New(rand.NewPCG(1, 2))
		var o playout
		var f [audio.FrameSamples]int16
		sent, silent := 0, 0
		most, least := int64(0), int64(math.MaxInt64)
		for i := range int(time.Hour / audio.FrameDuration) {
			now := i * audio.FrameSamples
			for ; ; sent++ {
				at := int64(float64(sent*audio.FrameSamples)*(1+ppm/1e6)) + rng.Int64N(40)
				if at > int64(now) {
					break
				}
				o.put(uint32(sent*audio.FrameSamples), tone, 0, uint32(at))
			}
			o.next(&f, uint32(now))
			if i > 500 {
				if !audio.Loud(f[:]) {
					silent++
				}
				held := o.at - o.done
				most, least = max(most, held), min(least, held)
			}
		}
		if silent > 0 || most > playoutLeast+2*audio.FrameSamples || o.grown+o.dropped > 20 {
			t.Errorf("%+.0f ppm: held back by %d to %d samples, %d silent frames, %d made up, %d left out", ppm, least, most, silent, o.grown, o.dropped)
		}
	}
}

// A peer whose sender restarts with other timestamps is heard on.
func TestPlayoutSurvivesJumps(t *testing.T) {
	pcm := speech(6 * audio.SampleRate)
	packets := stream(pcm, 0, nil)
	for i := range packets {
		if i >= 100 {
			packets[i].ts += 1 << 29
		}
		if i >= 200 {
			packets[i].ts -= 3 << 29
		}
	}
	var o playout
	got, held := hear(&o, packets, 290)
	for i := 3; i < 290; i++ {
		if !audio.Loud(got[i*audio.FrameSamples : (i+1)*audio.FrameSamples]) {
			t.Errorf("frame %d is silent", i)
		}
	}
	if held[289] > playoutLeast+2*audio.FrameSamples {
		t.Errorf("held back by %d samples", held[289])
	}
}

// A sender that suppresses silence: its pauses are comfort noise of the level
// that it names, whatever time they take, and the next word is whole.
func TestPlayoutFillsPausesWithComfortNoise(t *testing.T) {
	var o playout
	var f [audio.FrameSamples]int16
	said := speech(100 * audio.FrameSamples)
	now := uint32(1 << 31)
	say := func(i int) {
		o.put(now, append([]int16(nil), said[i*audio.FrameSamples:(i+1)*audio.FrameSamples]...), 0, now)
	}
	for i := range 50 {
		say(i)
		o.next(&f, now)
		now += audio.FrameSamples
	}
	o.comfort([]byte{50})
	energy := 0.0
	const pause = 150
	for i := range pause {
		o.next(&f, now)
		now += audio.FrameSamples
		for _, v := range f {
			if i >= 10 {
				energy += float64(v) * float64(v)
			}
		}
	}
	db := 10 * math.Log10(energy/(pause-10)/audio.FrameSamples/(32767*32767))
	if math.Abs(db+50) > 1 {
		t.Errorf("noise at %.1f dBov, named were -50", db)
	}
	var heard []int16
	for i := range 40 {
		say(50 + i)
		o.next(&f, now)
		heard = append(heard, f[:]...)
		now += audio.FrameSamples
	}
	at := 2 * audio.FrameSamples
	if db := snr(heard[at:], said[50*audio.FrameSamples:][:len(heard)-at]); db < 30 {
		t.Errorf("%.1f dB after the pause", db)
	}
	if o.grown+o.dropped > 0 {
		t.Errorf("%d frames made up, %d left out", o.grown, o.dropped)
	}
}

func TestPlayoutDoesNotAllocate(t *testing.T) {
	var o playout
	var f [audio.FrameSamples]int16
	pcm := speech(audio.FrameSamples)
	now := uint32(0)
	if n := testing.AllocsPerRun(1000, func() {
		gap := int(now/audio.FrameSamples) % 10 / 9
		o.put(now, pcm, gap, now)
		o.next(&f, now)
		now += uint32(audio.FrameSamples * (1 + gap))
	}); n > 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkPlayout(b *testing.B) {
	var o playout
	var f [audio.FrameSamples]int16
	pcm := speech(audio.FrameSamples)
	b.ReportAllocs()
	for i := range b.N {
		now := uint32(i * audio.FrameSamples)
		o.put(now, pcm, 0, now)
		o.next(&f, now)
	}
}

func BenchmarkConcealedFrame(b *testing.B) {
	var c concealer
	c.real(speech(audio.SampleRate))
	var f [audio.FrameSamples]int16
	for b.Loop() {
		c.gone = 0
		c.conceal(f[:])
	}
}
