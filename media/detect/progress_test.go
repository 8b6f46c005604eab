package detect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

// cadence is tones and pauses in ms, repeated, beginning anywhere in it.
func cadence(rnd *rand.Rand, seconds int, hz []float64, lengths ...int) []int16 {
	var once []int16
	for i, ms := range lengths {
		ms += rnd.IntN(ms/25 + 1) // networks are not exact
		if i%2 == 1 {
			once = append(once, make([]int16, ms*audio.SampleRate/1000)...)
			continue
		}
		tone := make([]int16, ms*audio.SampleRate/1000)
		for _, f := range hz {
			for j, v := range mediatest.Tone(f*(0.99+0.02*rnd.Float64()), ms, 5000/float64(len(hz))) {
				tone[j] += v
			}
		}
		once = append(once, tone...)
	}
	var out []int16
	for len(out) < seconds*audio.SampleRate {
		out = append(out, once...)
	}
	return out[rnd.IntN(len(once)):]
}

func sit(rnd *rand.Rand) (out []int16) {
	for _, f := range [][2]float64{{914, 985}, {1371, 1429}, {1777, 1777}} {
		hz, ms := f[rnd.IntN(2)], []int{276, 330, 380}[rnd.IntN(3)]
		out = append(append(out, mediatest.Tone(hz*(0.99+0.02*rnd.Float64()), ms, 5000)...), make([]int16, rnd.IntN(32)*8)...)
	}
	return out
}

// progressScene makes one early media of a kind.
func progressScene(rnd *rand.Rand, say func(text, voice string) []int16, truth string, i int) []int16 {
	lead := hush(rnd, 50, 900)
	pick := func(all ...[]int16) []int16 { return all[i%len(all)] }
	var pcm []int16
	switch truth {
	case "ringback":
		pcm = pick(cadence(rnd, 14, []float64{425}, 1000, 4000), cadence(rnd, 14, []float64{440, 480}, 2000, 4000),
			cadence(rnd, 14, []float64{400, 450}, 400, 200, 400, 2000), cadence(rnd, 14, []float64{425}, 800, 3200), cadence(rnd, 14, []float64{425}, 1000, 3000))
	case "busy":
		pcm = pick(cadence(rnd, 8, []float64{425}, 500, 500), cadence(rnd, 8, []float64{480, 620}, 500, 500), cadence(rnd, 8, []float64{400}, 375, 375),
			cadence(rnd, 8, []float64{425}, 350, 350), cadence(rnd, 8, []float64{425}, 330, 330))
	case "reorder":
		pcm = pick(cadence(rnd, 6, []float64{425}, 250, 250), cadence(rnd, 6, []float64{480, 620}, 250, 250), cadence(rnd, 6, []float64{425}, 175, 175),
			cadence(rnd, 6, []float64{425}, 200, 200))
	case "sit":
		pcm = append(sit(rnd), append(hush(rnd, 100, 600), drawn(rnd, say, announcements, i)...)...)
	case "voice":
		pcm = drawn(rnd, say, announcements, i)
	case "silence":
		pcm = hush(rnd, 7000, 8000)
	}
	return worsen(rnd, slices.Concat(lead, pcm))
}

var announcements = []string{
	"ru:Аппарат абонента выключен или находится вне зоны действия сети.",
	"ru:Набранный вами номер не существует. Проверьте правильность набора и перезвоните.",
	"ru:Абонент временно заблокирован.",
	"ru:Данный вид связи недоступен для абонента.",
	"en:The number you have dialled is not in service. Please check the number and dial again.",
	"en:The subscriber you are calling is not available. Please try again later.",
}

// told is what a detector says of the audio, in its order.
func told(pcm []int16) (all []string) {
	var d ProgressDetector
	for ; len(pcm) >= audio.FrameSamples; pcm = pcm[audio.FrameSamples:] {
		if p, changed := d.Feed(pcm[:audio.FrameSamples]); changed {
			all = append(all, p.String())
		}
	}
	return all
}

var progressKinds = []string{"ringback", "busy", "reorder", "sit", "voice", "silence"}

// TestProgressCorpus shows the confusion matrix of the half that the thresholds
// were not tuned on; it stands in the documentation.
func TestProgressCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of speech")
	}
	say, rnd := speaker(t), rand.New(rand.NewPCG(7, 1946))
	var text strings.Builder
	for _, half := range []string{"tuned on", "proved on"} {
		fmt.Fprintf(&text, "%s:\n\n| truth | %s | nothing |\n|---|%s---|\n", half, strings.Join(progressKinds, " | "), strings.Repeat("---|", len(progressKinds)))
		for _, truth := range progressKinds {
			found, right := map[string]int{}, 0
			for i := range 40 {
				first := "nothing"
				if all := told(progressScene(rnd, say, truth, i)); len(all) > 0 {
					first = all[0]
				}
				if found[first]++; first == truth {
					right++
				}
			}
			if right < 38 {
				t.Errorf("%s: %s is told right %d times of 40: %v", half, truth, right, found)
			}
			row := "| " + truth
			for _, kind := range append(slices.Clone(progressKinds), "nothing") {
				row += fmt.Sprintf(" | %d", found[kind])
			}
			fmt.Fprintln(&text, row+" |")
		}
		fmt.Fprintln(&text)
	}
	t.Log("\n" + text.String())
	keepPage(t, "progress", text.String())
}

// TestProgressSequences: what changes on the line is told in its order, once.
func TestProgressSequences(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	ring := slices.Concat(mediatest.Tone(425, 1000, 5000), make([]int16, 4*audio.SampleRate))
	busy := []int16{}
	for range 5 {
		busy = slices.Concat(busy, mediatest.Tone(425, 350, 5000), make([]int16, 350*8))
	}
	for _, c := range []struct {
		name string
		pcm  []int16
		want string
	}{
		{"it rings, then it is busy", slices.Concat(ring, ring, busy), "ringback busy"},
		{"busy tone that the network ends", slices.Concat(busy, make([]int16, 5*audio.SampleRate)), "busy"},
		{"two tones are not yet busy", slices.Concat(mediatest.Tone(425, 350, 5000), make([]int16, 350*8), mediatest.Tone(425, 350, 5000), make([]int16, 300*8)), ""},
		{"unequal tones", slices.Concat(mediatest.Tone(425, 200, 5000), make([]int16, 350*8), mediatest.Tone(425, 600, 5000), make([]int16, 150*8), mediatest.Tone(425, 350, 5000), make([]int16, 300*8)), ""},
		{"falling tones", slices.Concat(mediatest.Tone(1777, 330, 5000), mediatest.Tone(1400, 330, 5000), mediatest.Tone(950, 330, 5000)), ""},
		{"a dial tone", mediatest.Tone(425, 9000, 5000), ""},
		{"a beep and silence", slices.Concat(mediatest.Tone(1000, 500, 5000), make([]int16, 6*audio.SampleRate)), ""},
		{"nothing", make([]int16, 9*audio.SampleRate), "silence"},
	} {
		if got := strings.Join(told(worsen(rnd, c.pcm)), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestProgressTalkOff: minutes of speech hold no tones of the network.
func TestProgressTalkOff(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of speech")
	}
	say, rnd := speaker(t), rand.New(rand.NewPCG(5, 6))
	said := 0
	for _, words := range append(slices.Clone(machineWords), announcements...) {
		language, text, _ := strings.Cut(words, ":")
		for _, voice := range corpusVoices[language] {
			pcm := worsen(rnd, say(text, voice))
			said += len(pcm) / audio.SampleRate
			for _, p := range told(pcm) {
				if p != "voice" {
					t.Errorf("the voice %s sounds like %s in %q", voice, p, text)
				}
			}
		}
	}
	if said < 120 {
		t.Fatalf("only %d s of speech", said)
	}
}

func BenchmarkProgressDetector(b *testing.B) {
	pcm := cadence(rand.New(rand.NewPCG(1, 1)), 4, []float64{480, 620}, 500, 500)
	var d ProgressDetector
	b.ReportAllocs()
	for i := range b.N {
		at := i % (len(pcm)/audio.FrameSamples - 1) * audio.FrameSamples
		d.Feed(pcm[at : at+audio.FrameSamples])
	}
}
