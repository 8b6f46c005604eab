package detect

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
)

// speechFile is speech of a synthesiser, mu-law.
func speechFile(t *testing.T, name string) []int16 {
	t.Helper()
	b, err := os.ReadFile("testdata/speech/" + name + ".ulaw")
	mediatest.Must(t, err)
	pcm := make([]int16, len(b))
	codec.PCMU.Decode(pcm, b)
	return pcm
}

func silent8k(d time.Duration) []int16 { return make([]int16, audio.Samples(d)) }

// noise is white noise of an RMS level in dBFS.
func noise(d time.Duration, level float64) []int16 {
	r := rand.New(rand.NewPCG(1, 2))
	pcm := silent8k(d)
	for i := range pcm {
		pcm[i] = int16(r.NormFloat64() * 32768 * math.Pow(10, level/20))
	}
	return pcm
}

func tones(d time.Duration, level float64, hz ...float64) []int16 {
	pcm := silent8k(d)
	for i := range pcm {
		for _, f := range hz {
			pcm[i] += int16(level * math.Sin(2*math.Pi*f*float64(i)/audio.SampleRate))
		}
	}
	return pcm
}

func added(a, b []int16) []int16 {
	out := append([]int16(nil), a...)
	for i := range out {
		out[i] = audio.Clip(int32(out[i]) + int32(b[i%len(b)]))
	}
	return out
}

func joined(parts ...[]int16) (out []int16) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// spans are the stretches of speech that a VAD finds, in frames.
func spans(v *VAD, pcm []int16) (out [][2]int) {
	for i := 0; i+audio.FrameSamples <= len(pcm); i += audio.FrameSamples {
		switch v.Frame(pcm[i : i+audio.FrameSamples]) {
		case SpeechBegan:
			out = append(out, [2]int{i / audio.FrameSamples, -1})
		case SpeechEnded:
			out[len(out)-1][1] = i / audio.FrameSamples
		}
	}
	return out
}

func TestVADFindsSpeech(t *testing.T) {
	phrase, yes, english := speechFile(t, "operator"), speechFile(t, "yes"), speechFile(t, "english")
	second := silent8k(time.Second)
	for name, c := range map[string]struct {
		pcm    []int16
		phrase int // its samples; it begins after one second
	}{
		"after silence":       {joined(second, phrase, second, second), len(phrase)},
		"a short word":        {joined(second, yes, second, second), len(yes)},
		"another language":    {joined(second, english, second, second), len(english)},
		"in a noisy room":     {added(joined(second, phrase, second, second), noise(time.Second, -45)), len(phrase)},
		"on a line with hum":  {added(joined(second, phrase, second, second), tones(time.Second, 100, 50)), len(phrase)},
		"with an offset":      {added(joined(second, phrase, second, second), []int16{900}), len(phrase)},
		"after a long noise":  {added(joined(silent8k(time.Second), phrase, second, second), noise(20*time.Second, -42)), len(phrase)},
		"quiet, not whispers": {joined(second, half(half(phrase)), second, second), len(phrase)},
	} {
		v := VAD{Hangover: 600 * time.Millisecond}
		got := spans(&v, c.pcm)
		if len(got) != 1 || got[0][1] < 0 {
			t.Errorf("%s: %v, one stretch is wanted", name, got)
			continue
		}
		from, to := 50, 50+c.phrase/audio.FrameSamples
		if got[0][0] < from || got[0][0] > from+20 || got[0][1] < to-25 || got[0][1] > to+35 {
			t.Errorf("%s: %v, speech is %d to %d", name, got[0], from, to)
		}
	}
}

func half(pcm []int16) []int16 {
	out := make([]int16, len(pcm))
	for i, v := range pcm {
		out[i] = v / 2
	}
	return out
}

func TestVADFindsNothingElse(t *testing.T) {
	keys := joined()
	for _, k := range [][2]float64{{697, 1209}, {770, 1336}, {852, 1477}, {941, 1633}, {941, 1336}} {
		keys = joined(keys, tones(200*time.Millisecond, 6000, k[0], k[1]), silent8k(150*time.Millisecond))
	}
	click := silent8k(2 * time.Second)
	for i := range 30 * 8 {
		click[4000+i] = int16(12000 - i%2*24000)
	}
	for name, pcm := range map[string][]int16{
		"silence":         silent8k(30 * time.Second),
		"a quiet line":    noise(30*time.Second, -65),
		"an office":       noise(30*time.Second, -47),
		"an offset":       added(silent8k(10*time.Second), []int16{2000}),
		"keys":            keys,
		"keys in noise":   added(joined(keys, keys, keys), noise(time.Second, -50)),
		"a click":         click,
		"nothing at all":  nil,
		"too short pause": silent8k(100 * time.Millisecond),
	} {
		if got := spans(&VAD{}, pcm); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Noise that begins in the middle of a call is taken for speech at first, and
// for what it is within seconds.
func TestVADLearnsNewNoise(t *testing.T) {
	v := VAD{}
	got := spans(&v, joined(silent8k(5*time.Second), noise(20*time.Second, -38)))
	if len(got) > 1 || len(got) == 1 && (got[0][1] < 0 || got[0][1]-got[0][0] > 250) {
		t.Fatalf("%v", got)
	}
	if v.Speaking() {
		t.Fatal("it never ends")
	}
}

func TestVADHangoverBridgesPauses(t *testing.T) {
	word := speechFile(t, "yes")
	pcm := joined(silent8k(time.Second), word, silent8k(400*time.Millisecond), word, silent8k(3*time.Second))
	if got := spans(&VAD{Hangover: time.Second}, pcm); len(got) != 1 {
		t.Fatalf("%v: a pause of 400 ms is within 1 s", got)
	}
	if got := spans(&VAD{Hangover: 200 * time.Millisecond}, pcm); len(got) != 2 {
		t.Fatalf("%v: a pause of 400 ms is beyond 200 ms", got)
	}
}

func TestVADDoesNotAllocate(t *testing.T) {
	v, pcm := VAD{}, noise(audio.FrameDuration, -20)
	if n := testing.AllocsPerRun(100, func() { v.Frame(pcm) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
