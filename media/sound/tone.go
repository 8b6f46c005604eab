package sound

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
)

// Limits of a tone specification.
const (
	maxToneSpec     = 256              // bytes
	maxToneSegments = 16               // in a cadence
	maxToneFreqs    = 4                // sounding at once
	maxToneDuration = 10 * time.Minute // of the whole specification
	minToneHz       = 20
	maxToneHz       = 3900
)

// toneLevel is the RMS of a tone: −10 dBm0, the level of ITU-T E.180 §3, where
// a full-scale sine has +3.14 dBm0.
var toneLevel = 32767 / math.Sqrt2 * math.Pow(10, (-10-3.14)/20)

const toneHint = `write "tone:440", "tone:350+440/500ms", "tone:425/1s,silence/4s" or "silence:3s"`

// segment is one piece of a cadence.
type segment struct {
	freqs   []int // Hz; none = silence
	samples int   // 0 = endless
}

// Tone makes a tone or a pause from its specification:
//
//	tone:440                 one frequency, endless
//	tone:350+440/500ms       two frequencies, half a second
//	tone:425/1s,silence/4s   a cadence, once; a player repeats it on demand
//	silence:3s               a pause
//
// An error is *fault.Error of code Invalid.
func Tone(spec string) (*Prompt, error) {
	segments, err := parseTone(spec)
	if err != nil {
		return nil, err
	}
	if s := segments[0]; s.samples == 0 {
		// Whole hertz have a whole number of periods in a second, so one
		// second repeats without a seam.
		pcm := make([]int16, audio.SampleRate)
		s.render(pcm)
		return NewEndless(pcm), nil
	}
	total := 0
	for _, s := range segments {
		total += s.samples
	}
	pcm := make([]int16, total)
	rest := pcm
	for _, s := range segments {
		piece := rest[:s.samples]
		s.render(piece)
		fadeIn(piece)
		fadeOut(piece)
		rest = rest[s.samples:]
	}
	return NewPrompt(pcm), nil
}

// IsTone reports whether a source is a tone specification and no file or URL.
func IsTone(source string) bool {
	return strings.HasPrefix(source, "tone:") || strings.HasPrefix(source, "silence:")
}

func parseTone(spec string) ([]segment, error) {
	if len(spec) > maxToneSpec {
		return nil, badTone(fault.Printable(spec), "longer than %d bytes", maxToneSpec)
	}
	if text, ok := strings.CutPrefix(spec, "silence:"); ok {
		n, err := parseLength(spec, text)
		return []segment{{samples: n}}, err
	}
	text, ok := strings.CutPrefix(spec, "tone:")
	if !ok {
		return nil, badTone(spec, "neither tone: nor silence:")
	}
	items := strings.Split(text, ",")
	if len(items) > maxToneSegments {
		return nil, badTone(spec, "more than %d parts", maxToneSegments)
	}
	segments := make([]segment, len(items))
	total := 0
	for i, item := range items {
		s, err := parseSegment(spec, item)
		if err != nil {
			return nil, err
		}
		if s.samples == 0 && len(items) > 1 {
			return nil, badTone(spec, "a part of a cadence needs a duration")
		}
		segments[i] = s
		total += s.samples
	}
	if time.Duration(total)*time.Second/audio.SampleRate > maxToneDuration {
		return nil, badTone(spec, "longer than %s", maxToneDuration)
	}
	return segments, nil
}

// parseSegment reads "440", "350+440/1s" or "silence/4s".
func parseSegment(spec, item string) (segment, error) {
	name, length, timed := strings.Cut(strings.TrimSpace(item), "/")
	var s segment
	if timed {
		n, err := parseLength(spec, length)
		if err != nil {
			return s, err
		}
		s.samples = n
	}
	if name == "silence" {
		return s, nil
	}
	freqs := strings.Split(name, "+")
	if len(freqs) > maxToneFreqs {
		return s, badTone(spec, "more than %d frequencies at once", maxToneFreqs)
	}
	for _, f := range freqs {
		hz, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || hz < minToneHz || hz > maxToneHz {
			return s, badTone(spec, "a frequency is a whole number from %d to %d Hz", minToneHz, maxToneHz)
		}
		s.freqs = append(s.freqs, hz)
	}
	return s, nil
}

// parseLength reads a duration, with a unit or in milliseconds, in samples.
func parseLength(spec, text string) (int, error) {
	text = strings.TrimSpace(text)
	d, err := time.ParseDuration(text)
	if ms, e := strconv.Atoi(text); e == nil && ms <= int(maxToneDuration.Milliseconds()) {
		d, err = time.Duration(ms)*time.Millisecond, nil
	}
	if err != nil || d <= 0 || d > maxToneDuration {
		return 0, badTone(spec, "a duration is more than 0 and at most %s", maxToneDuration)
	}
	n := int(d * audio.SampleRate / time.Second)
	return max(n, 1), nil
}

func badTone(spec, format string, args ...any) error {
	args = append([]any{fault.Printable(spec)}, args...)
	return fault.New(fault.Invalid, "media: tone %q: "+format, args...).WithHint(toneHint)
}

// render writes the sum of the frequencies; their powers add up to toneLevel.
func (s segment) render(pcm []int16) {
	amplitude := toneLevel * math.Sqrt2 / math.Sqrt(float64(max(len(s.freqs), 1)))
	for i := range pcm {
		v := 0.0
		for _, hz := range s.freqs {
			v += math.Sin(2 * math.Pi * float64(hz*i%audio.SampleRate) / audio.SampleRate)
		}
		pcm[i] = int16(math.Round(v * amplitude))
	}
}
