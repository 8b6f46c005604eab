package testrun

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/speech"
)

// voice speaks for tests: audio of a fixed length per character that carries a
// mark, by which a phone knows what it hears. It implements engine.Voice.
type voice struct {
	mu     sync.Mutex
	byText map[string]*sound.Prompt
	byName map[*sound.Prompt]*sound.Prompt
	marks  []utterance // by mark − 1
}

// utterance is what a mark stands for.
type utterance struct {
	text   string
	spoken bool // words of a fixed length each; else a sound with a name
}

func newVoice() *voice {
	return &voice{byText: map[string]*sound.Prompt{}, byName: map[*sound.Prompt]*sound.Prompt{}}
}

// Speak implements engine.Voice.
func (v *voice) Speak(u speech.Utterance) *sound.Prompt {
	text := strings.Join(strings.Fields(u.Text), " ")
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.byText[text]; p != nil {
		return p
	}
	p := v.mark(sound.NewPrompt(babble(spoken(text))), utterance{text, true})
	v.byText[text] = p
	return p
}

// Sound implements engine.Voice.
func (v *voice) Sound(name string, p *sound.Prompt) *sound.Prompt {
	if strings.HasPrefix(name, "silence:") || p == nil {
		return p
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if named := v.byName[p]; named != nil {
		return named
	}
	if name == recordBeep {
		name = "beep"
	}
	named := v.mark(p, utterance{name, false})
	v.byName[p] = named
	return named
}

// recordBeep is the sound that call.record makes.
const recordBeep = "tone:1000/300ms"

// A mark is the number of an utterance and how much of it is over.
const (
	markEvery = 10 // frames
	markShift = 12 // bits for the place within the utterance
	markSpan  = 1 << markShift
)

// mark gives audio the next number; the lock is held.
func (v *voice) mark(p *sound.Prompt, u utterance) *sound.Prompt {
	v.marks = append(v.marks, u)
	number := uint32(len(v.marks)) << markShift
	return p.Marked(markEvery, func(i int) uint32 { return number | uint32(i%markSpan) })
}

// of is what a mark stands for, and how much of it is over.
func (v *voice) of(mark uint32) (u utterance, over time.Duration, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := int(mark >> markShift)
	if n == 0 || n > len(v.marks) {
		return utterance{}, 0, false
	}
	return v.marks[n-1], time.Duration(mark%markSpan) * markEvery * audio.FrameDuration, true
}

// spoken is how long a text takes.
func spoken(text string) time.Duration {
	return time.Duration(max(utf8.RuneCountInString(text), 1)) * PerCharacter
}

// babble is audible audio of that length.
func babble(d time.Duration) []int16 {
	pcm := make([]int16, d*audio.SampleRate/time.Second)
	for i := range pcm {
		pcm[i] = int16(4000 - i%20*400)
	}
	return pcm
}
