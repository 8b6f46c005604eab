package media

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// speech is n samples of something with a pitch that moves slowly.
func speech(n int) []int16 {
	pcm := make([]int16, n)
	phase := 0.0
	for i := range pcm {
		f := 140 + 30*math.Sin(2*math.Pi*float64(i)/audio.SampleRate*0.7)
		phase += 2 * math.Pi * f / audio.SampleRate
		v := math.Sin(phase) + 0.5*math.Sin(2*phase) + 0.3*math.Sin(5*phase)
		pcm[i] = int16(5000 * v)
	}
	return pcm
}

// snr is the level of want above its difference from got, in dB.
func snr(got, want []int16) float64 {
	signal, noise := 1e-9, 1e-9
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		signal += float64(w) * float64(w)
		noise += d * d
	}
	return 10 * math.Log10(signal/noise)
}

func TestConcealerGoesOnWithThePitch(t *testing.T) {
	pcm := speech(2 * audio.SampleRate)
	for _, frames := range []int{1, 2} {
		var c concealer
		at := audio.SampleRate / audio.FrameSamples * audio.FrameSamples
		c.real(pcm[:at])
		got := make([]int16, frames*audio.FrameSamples)
		for i := range frames {
			c.conceal(got[i*audio.FrameSamples : (i+1)*audio.FrameSamples])
		}
		// 10 ms unfaded are the same wave; the rest fades.
		if db := snr(got[:concealFull], pcm[at:at+concealFull]); db < 12 {
			t.Errorf("%d frames: %.1f dB in the first 10 ms", frames, db)
		}
		// No click anywhere: neither where the gap begins nor where it ends.
		after := append([]int16(nil), pcm[at+len(got):at+len(got)+audio.FrameSamples]...)
		c.real(after)
		all := append(append(append([]int16(nil), pcm[at-audio.FrameSamples:at]...), got...), after...)
		most := step(pcm)
		if s := step(all); float64(s) > 1.6*float64(most) {
			t.Errorf("%d frames: a step of %d, speech has %d", frames, s, most)
		}
		// After the seam everything is as it was sent.
		for i := concealSeam; i < audio.FrameSamples; i++ {
			if after[i] != pcm[at+len(got)+i] {
				t.Fatalf("sample %d after the gap differs", i)
			}
		}
	}
}

func step(pcm []int16) (most int) {
	for i := 1; i < len(pcm); i++ {
		d := int(pcm[i]) - int(pcm[i-1])
		most = max(most, d, -d)
	}
	return most
}

func TestConcealerFallsSilent(t *testing.T) {
	var c concealer
	c.real(speech(audio.SampleRate))
	var f [audio.FrameSamples]int16
	level := math.Inf(1)
	for i := range 6 {
		c.conceal(f[:])
		sum := 0.0
		for _, v := range f {
			sum += math.Abs(float64(v))
		}
		if sum > level || i >= 3 && sum != 0 {
			t.Fatalf("frame %d has level %.0f after %.0f", i, sum, level)
		}
		level = sum
	}
	// Silence before a gap stays silence in it.
	c = concealer{}
	c.real(make([]int16, audio.SampleRate))
	if c.conceal(f[:]); audio.Loud(f[:]) {
		t.Fatal("noise out of silence")
	}
}

// sent is one packet on its way into a lane or a playout.
type sent struct {
	ts  uint32
	seq int
	at  int64 // arrival by our clock
	pcm []int16
}

// stream is audio as packets of 20 ms from a sender whose clock is off by ppm,
// each delayed by jitter(i) samples.
func stream(pcm []int16, ppm float64, jitter func(i int) int64) (out []sent) {
	for i := 0; (i+1)*audio.FrameSamples <= len(pcm); i++ {
		at := int64(float64(i*audio.FrameSamples) * (1 + ppm/1e6))
		if jitter != nil {
			at += jitter(i)
		}
		out = append(out, sent{ts: uint32(1<<32 - 800 + i*audio.FrameSamples), seq: i, at: at, pcm: pcm[i*audio.FrameSamples : (i+1)*audio.FrameSamples]})
	}
	return out
}

// An hour with a clock that is off by 200 ppm either way: the lane neither
// loses audio nor lets its delay grow, and only single samples are added or
// left out.
func TestLaneFollowsDriftForAnHour(t *testing.T) {
	if testing.Short() {
		t.Skip("hours of audio in one goroutine")
	}
	tone := make([]int16, 40*audio.FrameSamples) // whole periods of 400 Hz
	for i := range tone {
		tone[i] = int16(8000 * math.Sin(2*math.Pi*400*float64(i)/audio.SampleRate))
	}
	for _, ppm := range []float64{-200, 0, 200} {
		rng := rand.New(rand.NewPCG(uint64(int64(ppm+1000)), 3))
		var l lane
		var got [audio.FrameSamples]int16
		done, quiet, clicks := int64(-recordDelay), 0, 0
		worst := int64(0)
		last := int16(0)
		packets := int(time.Hour / audio.FrameDuration)
		for i := range packets {
			arrival := int64(float64(i*audio.FrameSamples)*(1+ppm/1e6)) + rng.Int64N(160)
			for ; done+recordDelay+audio.FrameSamples <= arrival; done += audio.FrameSamples {
				l.take(got[:], done)
				if i > 200 && !audio.Loud(got[:]) {
					quiet++
				}
				for _, v := range got {
					if d := int(v) - int(last); i > 200 && (d > 4000 || d < -4000) {
						clicks++
					}
					last = v
				}
			}
			at := i % 40 * audio.FrameSamples
			pos := l.put(uint32(i*audio.FrameSamples), tone[at:at+audio.FrameSamples], 0, arrival, done, true)
			if i > 200 {
				worst = max(worst, arrival-pos, pos-arrival)
			}
		}
		if quiet > 0 || clicks > 0 {
			t.Errorf("%+.0f ppm: %d silent frames, %d clicks", ppm, quiet, clicks)
		}
		if worst > driftMost+2*160 {
			t.Errorf("%+.0f ppm: packets up to %d samples from their place", ppm, worst)
		}
		if off := l.base - int64(packets-1)*audio.FrameSamples; math.Abs(float64(off)-float64(packets*audio.FrameSamples)*ppm/1e6) > 400 {
			t.Errorf("%+.0f ppm: %d samples added in an hour", ppm, off)
		}
	}
}

func TestLanePlacesJumpsAnew(t *testing.T) {
	frame := make([]int16, audio.FrameSamples)
	const at = 100_000
	for _, tt := range []struct {
		name  string
		ts    uint32
		gap   int
		after int64 // arrival after the packet before
		want  int64 // place after the packet before
	}{
		{"next", audio.FrameSamples, 0, audio.FrameSamples, audio.FrameSamples},
		{"a pause that was not sent", 50 * audio.FrameSamples, 0, 50 * audio.FrameSamples, 50 * audio.FrameSamples},
		{"timestamps jump ahead", 1 << 30, 0, audio.FrameSamples, audio.FrameSamples},
		{"timestamps jump back", 1<<32 - 1<<30, 0, audio.FrameSamples, audio.FrameSamples},
		{"timestamps stand still in a pause", audio.FrameSamples, 0, 8 * audio.SampleRate, -1},
		{"late by 280 ms", audio.FrameSamples, 0, audio.FrameSamples + 2240, audio.FrameSamples},
	} {
		var l lane
		l.put(0, frame, 0, at, 0, true)
		if got := l.put(tt.ts, frame, tt.gap, at+tt.after, 0, true) - at; tt.want >= 0 && got != tt.want {
			t.Errorf("%s: at %d, want %d", tt.name, got, tt.want)
		}
		if tt.want >= 0 {
			continue
		}
		// Late for good: it is believed after laneLate.
		for i := range 40 {
			tt.ts += audio.FrameSamples
			tt.after += audio.FrameSamples
			if got := l.put(tt.ts, frame, 0, at+tt.after, 0, true) - at; i > 25 && got != tt.after {
				t.Errorf("%s: packet %d at %d, want %d", tt.name, i, got, tt.after)
			}
		}
	}
}

// A single packet that comes 350 ms late is lost; the stream stays where it is.
func TestLaneSurvivesALatePacket(t *testing.T) {
	var l lane
	frame := make([]int16, audio.FrameSamples)
	for i := range 100 {
		at := int64(i * audio.FrameSamples)
		if i == 50 {
			at += 350 * 8
		}
		if pos := l.put(uint32(i*audio.FrameSamples), frame, 0, at, at-recordDelay, true); pos != int64(i*audio.FrameSamples) {
			t.Fatalf("packet %d at %d", i, pos)
		}
	}
}

func TestLaneRemembersABoundedNumberOfHoles(t *testing.T) {
	var l lane
	frame := make([]int16, audio.FrameSamples)
	l.put(0, frame, 0, 0, 0, true)
	l.put(51*80, frame[:80], 50, 51*80, 0, true) // 50 packets of 10 ms
	if l.lost != laneHoles {
		t.Fatalf("%d holes, the limit is %d", l.lost, laneHoles)
	}
	// A late packet fills its hole.
	l.put(20*80, frame[:80], -1, 40*80, 0, true)
	if l.lost != laneHoles-1 {
		t.Fatalf("%d holes after a late packet", l.lost)
	}
	var out [laneSize]int16
	l.take(out[:], 0)
	if l.lost != 0 {
		t.Fatalf("%d holes left behind", l.lost)
	}
}

// Packets that were never sent are silence, lost ones are concealed.
func TestLaneTellsLossFromPause(t *testing.T) {
	pcm := speech(audio.SampleRate)
	frame := func(i int) []int16 { return pcm[i*audio.FrameSamples : (i+1)*audio.FrameSamples] }
	for _, lost := range []bool{false, true} {
		var l lane
		for i := range 10 {
			l.put(uint32(i*audio.FrameSamples), frame(i), 0, int64(i*audio.FrameSamples), 0, true)
		}
		gap := 0
		if lost {
			gap = 1
		}
		l.put(11*audio.FrameSamples, frame(11), gap, 11*audio.FrameSamples, 0, true)
		var out [12 * audio.FrameSamples]int16
		l.take(out[:], 0)
		if got := audio.Loud(out[10*audio.FrameSamples : 11*audio.FrameSamples]); got != lost {
			t.Errorf("lost %v: heard %v", lost, got)
		}
	}
}
