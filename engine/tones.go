package engine

import (
	"sync"

	"github.com/loopstart/loopstart/media/sound"
)

// maxTones is how many tones are kept rendered and encoded. Scripts mostly use
// a few; when one uses more, all are forgotten and rendered again.
const maxTones = 256

// tones keeps rendered tones by their spec, since they are immutable and shared
// by all calls.
type tones struct {
	mu     sync.Mutex
	bySpec map[string]*sound.Prompt
}

func (t *tones) get(spec string) (*sound.Prompt, error) {
	t.mu.Lock()
	p := t.bySpec[spec]
	t.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := sound.Tone(spec)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bySpec == nil || len(t.bySpec) >= maxTones {
		t.bySpec = map[string]*sound.Prompt{}
	}
	t.bySpec[spec] = p
	return p, nil
}
