package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/need"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// keyTone is a digit as a line carries it.
type keyTone struct {
	key       byte
	ms        int
	low, high float64 // amplitude of each frequency
	off       float64 // of both frequencies, as a share
	noise     float64 // amplitude, evenly spread
}

func (k keyTone) pcm(rnd *rand.Rand) []int16 {
	var row, column float64
	for i := range toneKeys {
		for j, c := range toneKeys[i] {
			if c == k.key {
				row, column = toneRows[i]*(1+k.off), toneColumns[j]*(1+k.off)
			}
		}
	}
	out := make([]int16, k.ms*8)
	at := rnd.Float64()
	for i := range out {
		t := at + float64(i)/audio.SampleRate
		x := k.low*math.Sin(2*math.Pi*row*t) + k.high*math.Sin(2*math.Pi*column*t) + k.noise*(2*rnd.Float64()-1)
		out[i] = int16(max(-32000, min(32000, x)))
	}
	return out
}

// heardKeys is what a receiver makes of audio that came over A-law, in frames
// of 20 ms that begin anywhere.
func heardKeys(pcm []int16, shift int) string {
	t := NewKeyReceiver()
	coded, plain := make([]byte, len(pcm)), make([]int16, len(pcm))
	codec.PCMA.Encode(coded, pcm)
	codec.PCMA.Decode(plain, coded)
	var out strings.Builder
	open := byte(0)
	note := func(n KeyNews) {
		if n.Ended != 0 {
			if n.Ended != open {
				out.WriteByte('!') // an end without a begin
			}
			open = 0
		}
		if n.Began != 0 {
			out.WriteByte(n.Began)
			open = n.Began
		}
	}
	plain = append(make([]int16, shift), plain...)
	for len(plain) > 0 {
		n := min(160, len(plain))
		note(t.Feed(plain[:n]))
		plain = plain[n:]
	}
	note(t.Stop())
	return out.String()
}

func TestInbandDigits(t *testing.T) {
	silence := func(ms int) []int16 { return make([]int16, ms*8) }
	for name, tc := range map[string]struct {
		tone keyTone
		gap  int
		want bool
	}{
		"as phones send":      {keyTone{ms: 100, low: 6000, high: 7000}, 100, true},
		"40 ms, 40 ms apart":  {keyTone{ms: 40, low: 6000, high: 6000}, 40, true},
		"1.5 % high":          {keyTone{ms: 60, low: 6000, high: 6000, off: 0.015}, 60, true},
		"1.5 % low":           {keyTone{ms: 60, low: 6000, high: 6000, off: -0.015}, 60, true},
		"quiet":               {keyTone{ms: 60, low: 400, high: 400}, 60, true},
		"loud":                {keyTone{ms: 60, low: 15000, high: 15000}, 60, true},
		"high 4 dB over low":  {keyTone{ms: 60, low: 4000, high: 6340}, 60, true},
		"low 8 dB over high":  {keyTone{ms: 60, low: 10000, high: 3980}, 60, true},
		"noise 15 dB below":   {keyTone{ms: 80, low: 6000, high: 6000, noise: 2600}, 80, true},
		"too short":           {keyTone{ms: 20, low: 6000, high: 6000}, 60, false},
		"3.5 % high":          {keyTone{ms: 100, low: 6000, high: 6000, off: 0.035}, 60, false},
		"3.5 % low":           {keyTone{ms: 100, low: 6000, high: 6000, off: -0.035}, 60, false},
		"one frequency":       {keyTone{ms: 100, low: 9000, high: 0}, 60, false},
		"high 14 dB over low": {keyTone{ms: 100, low: 2000, high: 10000}, 60, false},
		"below the threshold": {keyTone{ms: 100, low: 60, high: 60}, 60, false},
		"buried in noise":     {keyTone{ms: 100, low: 3000, high: 3000, noise: 12000}, 60, false},
		"a second and a half": {keyTone{ms: 1500, low: 6000, high: 6000}, 60, true},
	} {
		t.Run(name, func(t *testing.T) {
			const keys = "1234567890*#ABCD"
			rnd := rand.New(rand.NewPCG(1, 2))
			want := ""
			pcm := silence(50)
			for i := range len(keys) {
				k := tc.tone
				k.key = keys[i]
				pcm = append(append(pcm, k.pcm(rnd)...), silence(tc.gap)...)
			}
			if tc.want {
				want = keys
			}
			for shift := 0; shift < toneBlock; shift += 17 {
				if got := heardKeys(pcm, shift); got != want {
					t.Errorf("shifted by %d: %q, want %q", shift, got, want)
				}
			}
		})
	}
}

// TestInbandCutDigit: a click or a word on top does not make two digits of one.
func TestInbandCutDigit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pcm := keyTone{key: '5', ms: 200, low: 6000, high: 6000}.pcm(rnd)
	for i := 800; i < 900; i++ {
		pcm[i] = 0
	}
	if got := heardKeys(pcm, 3); got != "5" {
		t.Errorf("%q", got)
	}
	if got := heardKeys(append(pcm, keyTone{key: '6', ms: 100, low: 6000, high: 6000}.pcm(rnd)...), 0); got != "56" {
		t.Errorf("one right after the other: %q", got)
	}
}

// TestTalkOff: minutes of speech hold no digit.
func TestTalkOff(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of speech")
	}
	espeak := need.Program(t, "espeak-ng", "apt install espeak-ng")
	text := strings.Repeat("Здравствуйте! Ваш заказ номер двадцать один собран, сумма одна тысяча триста рублей. "+
		"Алло, алло, кто это? Ммм, да, хорошо, приезжайте к восьми. Эй, ау, ээээ, ииии, оооо. ", 3)
	said := 0
	for _, voice := range []string{"ru", "ru+f2", "ru+f5", "en+m3", "en+f4", "ru+croak", "en+whisper"} {
		file := filepath.Join(t.TempDir(), "talk.wav")
		if out, err := exec.Command(espeak, "-v", voice, "-s", fmt.Sprint(140), "-w", file, text).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p, err := sound.NewLibrary(sound.LibraryOptions{}).Load(t.Context(), file, sound.LoadOptions{Normalise: true})
		if err != nil {
			t.Fatal(err)
		}
		said += int(p.Duration().Seconds())
		if got := heardKeys(p.PCM(), 0); got != "" {
			t.Errorf("the voice %s presses %q", voice, got)
		}
	}
	if said < 120 {
		t.Fatalf("only %d s of speech", said)
	}
}

func BenchmarkInband(b *testing.B) {
	pcm := keyTone{key: '5', ms: 20, low: 6000, high: 6000}.pcm(rand.New(rand.NewPCG(1, 2)))
	t := NewKeyReceiver()
	b.ReportAllocs()
	for b.Loop() {
		t.Feed(pcm)
	}
}
