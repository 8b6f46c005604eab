package testrun

import (
	"context"
	"strings"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/speech"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// ears recognise what is said in tests: words are understood as they are said,
// a sound file as the test has told. It implements call.Recognizer.
type ears struct{ stage *stage }

// asrMock is what is understood of a sound or of words. The stage's lock
// guards it.
type asrMock struct {
	what         pattern
	text         string
	confidence   float64
	alternatives []speech.Alternative
	fails        string
}

// MaxASRMocks is how many of them a test may have.
const MaxASRMocks = 1000

// Ready implements call.Recognizer.
func (e ears) Ready(speech.ListenOptions) error { return nil }

// Listen implements call.Recognizer.
func (e ears) Listen(speech.ListenOptions) (call.Utterance, error) {
	return &utteranceHeard{stage: e.stage}, nil
}

// utteranceHeard is one utterance.
type utteranceHeard struct {
	stage *stage
	pcm   []int16
}

// Write implements call.Utterance.
func (u *utteranceHeard) Write(pcm []int16) { u.pcm = append(u.pcm, pcm...) }

// Close implements call.Utterance.
func (u *utteranceHeard) Close() {}

// Finish implements call.Utterance: the marks in the audio tell what was said.
func (u *utteranceHeard) Finish(context.Context) (speech.Transcript, error) {
	var said []utterance
	for _, mark := range sound.FindMarks(u.pcm) {
		if x, _, ok := u.stage.voice.of(mark); ok && (len(said) == 0 || said[len(said)-1] != x) {
			said = append(said, x)
		}
	}
	u.stage.mu.Lock()
	defer u.stage.mu.Unlock()
	out, words := speech.Transcript{Engine: "test"}, []string{}
	for _, x := range said {
		m := u.stage.understood(x.text)
		switch {
		case m == nil && !x.spoken:
			if u.stage.broken == nil {
				u.stage.broken = fault.New(test.Failed, "what is said in %s is not known", x.text).WithHint("add asr.on(%q).replies(\"…\") before it", x.text)
			}
			u.stage.poke()
		case m == nil:
			words = append(words, x.text)
		case m.fails != "":
			return speech.Transcript{}, fault.New(fault.Media, "no recogniser could hear the caller: test: %s", m.fails)
		default:
			if m.text != "" {
				words = append(words, m.text)
			}
			out.Confidence, out.Alternatives = m.confidence, m.alternatives
		}
	}
	out.Text = strings.Join(words, " ")
	return out, nil
}

// understood is the latest mock for words or a sound.
func (s *stage) understood(text string) *asrMock {
	for i := len(s.asr) - 1; i >= 0; i-- {
		if _, ok := s.asr[i].what.find(text); ok {
			return s.asr[i]
		}
	}
	return nil
}
