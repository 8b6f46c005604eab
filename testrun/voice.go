package testrun

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/speech"
)

// voice speaks for tests: audio of a fixed length per character that carries a
// mark, by which a phone knows what it hears. It implements engine.Voice.
type voice struct {
	mu     sync.Mutex
	byText map[string]*media.Prompt
	byName map[*media.Prompt]*media.Prompt
	marks  []utterance // by mark − 1
}

// utterance is what a mark stands for.
type utterance struct {
	text   string
	spoken bool // words of a fixed length each; else a sound with a name
}

func newVoice() *voice {
	return &voice{byText: map[string]*media.Prompt{}, byName: map[*media.Prompt]*media.Prompt{}}
}

// Speak implements engine.Voice.
func (v *voice) Speak(u speech.Utterance) *media.Prompt {
	text := strings.Join(strings.Fields(u.Text), " ")
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.byText[text]; p != nil {
		return p
	}
	p := media.NewPrompt(babble(spoken(text))).Marked(v.mark(utterance{text, true}))
	v.byText[text] = p
	return p
}

// Sound implements engine.Voice.
func (v *voice) Sound(name string, p *media.Prompt) *media.Prompt {
	if strings.HasPrefix(name, "silence:") || p == nil {
		return p
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if named := v.byName[p]; named != nil {
		return named
	}
	named := p.Marked(v.mark(utterance{name, false}))
	v.byName[p] = named
	return named
}

// mark is the next number; the lock is held.
func (v *voice) mark(u utterance) uint32 {
	v.marks = append(v.marks, u)
	return uint32(len(v.marks))
}

// of is what a mark stands for.
func (v *voice) of(mark uint32) (utterance, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if mark == 0 || int(mark) > len(v.marks) {
		return utterance{}, false
	}
	return v.marks[mark-1], true
}

// spoken is how long a text takes.
func spoken(text string) time.Duration {
	return time.Duration(max(utf8.RuneCountInString(text), 1)) * PerCharacter
}

// babble is audible audio of that length.
func babble(d time.Duration) []int16 {
	pcm := make([]int16, d*media.SampleRate/time.Second)
	for i := range pcm {
		pcm[i] = int16(4000 - i%20*400)
	}
	return pcm
}
