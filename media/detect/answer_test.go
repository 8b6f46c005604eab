package detect

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/need"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/sound"
)

// The corpus: what is heard after an answer, built from synthetic speech, tones
// and noise by a fixed seed. Thresholds were tuned on its even scenes; the odd
// ones prove them.

var (
	humanWords = []string{
		"ru:Алло", "ru:Да", "ru:Алло, слушаю", "ru:Да, слушаю вас", "ru:Алло? Кто это?", "ru:Слушаю", "ru:Алло, говорите", "ru:Да-да",
		"ru:Здравствуйте", "ru:Компания Ромашка, добрый день", "en:Hello", "en:Hello, who is this?", "en:Yes", "en:Speaking", "en:Yeah, hi",
	}
	machineWords = []string{
		"ru:Здравствуйте! Вы позвонили Анне. Сейчас я не могу ответить, оставьте сообщение после сигнала.",
		"ru:Абонент временно недоступен. Пожалуйста, перезвоните позднее или оставьте голосовое сообщение.",
		"ru:Вас приветствует голосовая почта. Оставьте сообщение после звукового сигнала, и мы вам перезвоним.",
		"ru:Привет, это автоответчик. Меня нет дома, но ваш звонок очень важен для меня, расскажите, что случилось.",
		"ru:Телефон абонента выключен или находится вне зоны действия сети.",
		"en:Hi, you have reached the Smith family. We cannot come to the phone right now, please leave a message after the tone.",
		"en:The person you are calling is not available. At the tone, please record your message, then hang up.",
		"en:Your call has been forwarded to an automatic voice message system. Please leave a message.",
	}
	corpusVoices = map[string][]string{"ru": {"ru", "ru+f2", "ru+m3", "ru+f5"}, "en": {"en", "en+f3", "en-us+m2", "en+f4"}}
)

// scene is one answer and the truth about it.
type scene struct {
	truth    string
	pcm      []int16
	greeting time.Duration // of a machine
}

// corpus builds n scenes of each kind.
func corpus(t *testing.T, n int) []scene {
	t.Helper()
	say := speaker(t)
	rnd := rand.New(rand.NewPCG(20, 26))
	var out []scene
	for i := range n {
		out = append(out, human(rnd, say, i), machine(rnd, say, i), fax(rnd, i), onlyBeep(rnd))
	}
	return out
}

// speaker synthesises each text once, in a voice drawn by the caller.
func speaker(t *testing.T) func(text, voice string) []int16 {
	t.Helper()
	espeak := need.Program(t, "espeak-ng", "apt install espeak-ng")
	dir, lib, known := t.TempDir(), sound.NewLibrary(sound.LibraryOptions{}), map[string][]int16{}
	var mu sync.Mutex
	return func(text, voice string) []int16 {
		mu.Lock()
		defer mu.Unlock()
		key := voice + text
		if pcm, ok := known[key]; ok {
			return pcm
		}
		file := filepath.Join(dir, fmt.Sprint(len(known))+".wav")
		if out, err := exec.Command(espeak, "-v", voice, "-s", "150", "-w", file, text).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p, err := lib.Load(t.Context(), file, sound.LoadOptions{Normalise: true, Trim: true})
		if err != nil {
			t.Fatal(err)
		}
		known[key] = p.PCM()
		return p.PCM()
	}
}

func drawn(rnd *rand.Rand, say func(text, voice string) []int16, words []string, i int) []int16 {
	language, text, _ := strings.Cut(words[i%len(words)], ":")
	voices := corpusVoices[language]
	return say(text, voices[rnd.IntN(len(voices))])
}

func human(rnd *rand.Rand, say func(text, voice string) []int16, i int) scene {
	pcm := append(hush(rnd, 100, 1500), drawn(rnd, say, humanWords, i)...)
	return scene{truth: "human", pcm: worsen(rnd, append(pcm, hush(rnd, 6000, 6500)...))}
}

func machine(rnd *rand.Rand, say func(text, voice string) []int16, i int) scene {
	words := drawn(rnd, say, machineWords, i)
	pcm := append(hush(rnd, 100, 1500), words...)
	pcm = append(append(pcm, hush(rnd, 200, 900)...), beep(rnd)...)
	return scene{truth: "machine", greeting: time.Duration(len(words)) * time.Second / audio.SampleRate, pcm: worsen(rnd, append(pcm, hush(rnd, 4000, 5000)...))}
}

func fax(rnd *rand.Rand, i int) scene {
	pcm := hush(rnd, 300, 2000)
	if i%2 == 0 {
		return scene{truth: "fax", pcm: worsen(rnd, append(pcm, mediatest.Tone(2100, 2800, 3000)...))}
	}
	for range 3 {
		pcm = append(append(pcm, mediatest.Tone(1100, 500, 3000)...), make([]int16, 3*audio.SampleRate)...)
	}
	return scene{truth: "fax", pcm: worsen(rnd, pcm)}
}

func onlyBeep(rnd *rand.Rand) scene {
	pcm := append(hush(rnd, 200, 2000), beep(rnd)...)
	return scene{truth: "beep", pcm: worsen(rnd, append(pcm, hush(rnd, 5000, 6000)...))}
}

func beep(rnd *rand.Rand) []int16 {
	hz := []float64{440, 600, 850, 950, 1000, 1004, 1200, 1400, 2000}[rnd.IntN(9)]
	return mediatest.Tone(hz, 150+rnd.IntN(900), 3000+6000*rnd.Float64())
}

func hush(rnd *rand.Rand, from, to int) []int16 {
	return make([]int16, (from+rnd.IntN(to-from+1))*audio.SampleRate/1000)
}

// worsen adds the noise and the level of a telephone line, and A-law.
func worsen(rnd *rand.Rand, pcm []int16) []int16 {
	noise, gain := []float64{0, 20, 60, 150}[rnd.IntN(4)], 0.3+0.7*rnd.Float64()
	out, coded := make([]int16, len(pcm)), make([]byte, len(pcm))
	for i, v := range pcm {
		out[i] = int16(max(-32000, min(32000, gain*float64(v)+noise*rnd.NormFloat64())))
	}
	codec.PCMA.Encode(coded, out)
	codec.PCMA.Decode(out, coded)
	return out
}

func decide(o AnswerOptions, pcm []int16) (Verdict, AnswerEvidence) {
	d := NewAnswerDetector(o)
	for ; len(pcm) >= audio.FrameSamples; pcm = pcm[audio.FrameSamples:] {
		if v, e, done := d.Feed(pcm[:audio.FrameSamples]); done {
			return v, e
		}
	}
	frame := make([]int16, audio.FrameSamples)
	for {
		if v, e, done := d.Feed(frame); done {
			return v, e
		}
	}
}

// rewrite puts what is measured into the page.
var rewrite = flag.Bool("update", false, "rewrite the page")

const answerPage = "../../docs/answering-machines.md"

// TestBeepDetector: beeps are found behind a greeting, and nothing else is one:
// not speech, not the tones of the network, not a fax.
func TestBeepDetector(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of speech")
	}
	say, rnd := speaker(t), rand.New(rand.NewPCG(3, 4))
	first := func(pcm []int16) (AnswerEvidence, bool) {
		var d BeepDetector
		for ; len(pcm) >= audio.FrameSamples; pcm = pcm[audio.FrameSamples:] {
			if e, ok := d.Feed(pcm[:audio.FrameSamples]); ok {
				return e, true
			}
		}
		return AnswerEvidence{}, false
	}
	said := 0
	for i, words := range machineWords {
		language, text, _ := strings.Cut(words, ":")
		for _, voice := range corpusVoices[language] {
			pcm := append(say(text, voice), make([]int16, audio.SampleRate)...)
			said += len(pcm) / audio.SampleRate
			if e, ok := first(worsen(rnd, pcm)); ok {
				t.Errorf("the voice %s beeps in greeting %d: %+v", voice, i, e)
			}
			e, ok := first(worsen(rnd, append(append(slices.Clone(pcm), mediatest.Tone(1000, 400, 5000)...), make([]int16, audio.SampleRate)...)))
			if length := time.Duration(len(pcm)) * time.Second / audio.SampleRate; !ok || e.After < length || e.ToneHz < 980 || e.ToneHz > 1020 {
				t.Errorf("the beep behind greeting %d of %s: %v %+v, not after %s", i, voice, ok, e, length)
			}
		}
	}
	if said < 120 {
		t.Fatalf("only %d s of speech", said)
	}
	dual := func(a, b float64, ms int) []int16 {
		out := mediatest.Tone(a, ms, 4000)
		for i, v := range mediatest.Tone(b, ms, 4000) {
			out[i] += v
		}
		return out
	}
	gap := make([]int16, audio.SampleRate/2)
	for name, pcm := range map[string][]int16{
		"European ring-back": slices.Concat(mediatest.Tone(425, 1000, 5000), make([]int16, 4*audio.SampleRate), mediatest.Tone(425, 1000, 5000), gap),
		"American ring-back": slices.Concat(dual(440, 480, 2000), make([]int16, 4*audio.SampleRate)),
		"American busy":      slices.Concat(dual(480, 620, 500), gap, dual(480, 620, 500), gap),
		"a key":              slices.Concat(dual(697, 1209, 300), gap),
		"SIT":                slices.Concat(mediatest.Tone(950, 330, 5000), mediatest.Tone(1400, 330, 5000), mediatest.Tone(1777, 330, 5000), gap),
		"a fax that answers": slices.Concat(mediatest.Tone(2100, 3000, 5000), gap),
		"a click":            slices.Concat(mediatest.Tone(1000, 40, 5000), gap),
	} {
		if e, ok := first(worsen(rnd, slices.Concat(gap, pcm))); ok {
			t.Errorf("%s is a beep: %+v", name, e)
		}
	}
}

// TestAnswerCorpus shows the confusion matrix of the half that was not tuned
// on; it stands in the documentation.
func TestAnswerCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of speech")
	}
	scenes := corpus(t, 80)
	var text strings.Builder
	for half, name := range []string{"tuned on", "proved on"} {
		for _, preset := range AnswerPresets() {
			o, err := AnswerPreset(preset)
			if err != nil {
				t.Fatal(err)
			}
			m := newMatrix()
			for i, s := range scenes {
				if i/4%2 != half {
					continue
				}
				v, e := decide(o, s.pcm)
				m.add(s.truth, v, e.After)
				if v == VerdictHuman && s.greeting > 3*time.Second && preset != "quick" {
					t.Errorf("%s: human by a greeting of %s (%s, scene %d)", preset, s.greeting, e.Cause, i)
				}
			}
			if fmt.Fprintf(&text, "%s, %s:\n\n%s\n", preset, name, m); preset == "balanced" {
				m.demand(t, name, map[string]float64{"human": 0.95, "machine": 0.95, "fax": 1, "beep": 0.95})
			}
		}
	}
	t.Log("\n" + text.String())
	keepPage(t, "matrix", text.String())
}

// matrix counts verdicts by truth.
type matrix struct {
	counts map[string]map[string]int
	after  map[string][]time.Duration
}

func newMatrix() matrix {
	return matrix{counts: map[string]map[string]int{}, after: map[string][]time.Duration{}}
}

func (m matrix) add(truth string, v Verdict, after time.Duration) {
	if m.counts[truth] == nil {
		m.counts[truth] = map[string]int{}
	}
	m.counts[truth][v.String()]++
	m.after[truth] = append(m.after[truth], after)
}

var answerColumns = []string{"human", "machine", "beep", "fax", "unknown"}

func (m matrix) String() string {
	var b strings.Builder
	b.WriteString("| truth | " + strings.Join(answerColumns, " | ") + " | median after |\n|---|" + strings.Repeat("---|", len(answerColumns)+1) + "\n")
	for _, truth := range answerColumns[:4] {
		b.WriteString("| " + truth + " |")
		for _, c := range answerColumns {
			fmt.Fprintf(&b, " %d |", m.counts[truth][c])
		}
		all := slices.Sorted(slices.Values(m.after[truth]))
		fmt.Fprintf(&b, " %.1f s |\n", all[len(all)/2].Seconds())
	}
	return b.String()
}

// demand asks for shares of right verdicts; a beep is a machine's.
func (m matrix) demand(t *testing.T, name string, shares map[string]float64) {
	t.Helper()
	for truth, want := range shares {
		right, all := m.counts[truth][truth], len(m.after[truth])
		if truth == "machine" {
			right += m.counts[truth]["beep"]
		}
		if got := float64(right) / float64(all); got < want {
			t.Errorf("%s: %.0f %% of %s are right, %.0f %% are demanded", name, got*100, truth, want*100)
		}
	}
}

// keepPage writes the generated part of a page with -update. It is not
// compared: another version of the speech engine speaks a little differently.
func keepPage(t *testing.T, part, text string) {
	t.Helper()
	begin, end := "<!-- "+part+": written by go test ./media/detect -run "+t.Name()+" -update -->\n", "<!-- end of "+part+" -->\n"
	old, err := os.ReadFile(answerPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("the page has no " + part)
	}
	if !*rewrite {
		return
	}
	if err := os.WriteFile(answerPage, []byte(head+begin+text+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
