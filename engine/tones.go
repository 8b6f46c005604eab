package engine

import (
	"sync"

	"github.com/loopstart/loopstart/media"
)

// maxTones is how many tones are kept rendered and encoded. Scripts mostly use
// a few; when one uses more, all are forgotten and rendered again.
const maxTones = 256

// tones keeps rendered tones by their spec, since they are immutable and shared
// by all calls.
type tones struct {
	mu     sync.Mutex
	bySpec map[string]*media.Prompt
}

func (t *tones) get(spec string) (*media.Prompt, error) {
	t.mu.Lock()
	p := t.bySpec[spec]
	t.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := media.Tone(spec)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bySpec == nil || len(t.bySpec) >= maxTones {
		t.bySpec = map[string]*media.Prompt{}
	}
	t.bySpec[spec] = p
	return p, nil
}
