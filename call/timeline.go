package call

import (
	"slices"
	"sync"
	"time"

	"github.com/loopstart/loopstart/sip"
)

// MaxTimeline is how many entries a timeline keeps. Later ones are counted in
// one closing entry, so that a chatty script cannot fill the store.
const MaxTimeline = 5000

// Entry is one line of a call's timeline.
type Entry struct {
	AtMs   int64  `json:"at_ms"`            // milliseconds since the call began
	Kind   string `json:"kind"`             // sip, state, prompt, digit, http, log, script, media, recording, …
	Leg    string `json:"leg,omitempty"`    // a for the first party, then b, c, …
	Detail string `json:"detail"`           // one line for people
	Source string `json:"source,omitempty"` // script line that caused it, file:line
}

// foreignText are the kinds whose detail is the script's or of other systems,
// and may hold a secret.
var foreignText = map[string]bool{"log": true, "step": true, "http": true, "webhook": true, "error": true, "fallback": true, "prompt": true, "command": true}

// Timeline is everything that happened in one call, on one clock.
//
// # Concurrency
//
// Any goroutine may add to it or read it.
type Timeline struct {
	mu        sync.Mutex
	start     time.Time
	entries   []Entry
	dropped   int
	wires     []watched
	unwatched int
	veil      func(string) string // nil: nothing is hidden
}

func newTimeline(start time.Time, veil func(string) string) *Timeline {
	return &Timeline{start: start, veil: veil}
}

// Add appends an entry that happened at the time given.
func (t *Timeline) Add(at time.Time, kind, leg, detail, source string) {
	if t.veil != nil && foreignText[kind] {
		detail = t.veil(detail)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) >= MaxTimeline {
		t.dropped++
		return
	}
	e := Entry{AtMs: max(at.Sub(t.start).Milliseconds(), 0), Kind: kind, Leg: leg, Detail: detail, Source: source}
	// Media events carry the time of the packet, which may lie a little before
	// an entry that is already there.
	i := len(t.entries)
	for i > 0 && t.entries[i-1].AtMs > e.AtMs {
		i--
	}
	t.entries = append(t.entries, Entry{})
	copy(t.entries[i+1:], t.entries[i:])
	t.entries[i] = e
}

// Entries is a copy of the timeline so far.
func (t *Timeline) Entries() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := append([]Entry(nil), t.entries...)
	if t.dropped > 0 {
		last := out[len(out)-1]
		out = append(out, Entry{AtMs: last.AtMs, Kind: "limit", Detail: "further entries were dropped: the timeline is full"})
	}
	return out
}

// MaxWatched is how many dialogs of one call have their wire messages kept, and
// MaxWire how many bytes of these together. What comes later is counted.
const (
	MaxWatched = 64
	MaxWire    = 256 << 10
)

// Wire is a SIP message of one of the call's legs.
type Wire struct {
	Leg string
	sip.WireMessage
}

// watched is a dialog's trace under the name of its leg.
type watched struct {
	leg   string
	trace *sip.Trace
}

// watch makes the wire messages of a leg's dialog part of the timeline. Dialogs
// in virtual time have none.
func (t *Timeline) watch(leg string, d Dialog) {
	w, ok := d.(interface{ Wire() *sip.Trace })
	if !ok || w.Wire() == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wires) < MaxWatched {
		t.wires = append(t.wires, watched{leg, w.Wire()})
	} else {
		t.unwatched++
	}
}

// Wire is the SIP messages of all legs in the order of the wire, and how many
// messages or dialogs were left out.
func (t *Timeline) Wire() (list []Wire, dropped int) {
	t.mu.Lock()
	wires := t.wires
	dropped = t.unwatched
	t.mu.Unlock()
	size := 0
	for _, w := range wires {
		messages, lost := w.trace.Messages()
		fit := fitting(messages, &size)
		dropped += lost + len(messages) - len(fit)
		for _, m := range fit {
			list = append(list, Wire{w.leg, m})
		}
	}
	slices.SortStableFunc(list, func(a, b Wire) int { return a.At.Compare(b.At) })
	return list, dropped
}

// fitting is the first messages that MaxWire has room for beside size bytes.
func fitting(messages []sip.WireMessage, size *int) []sip.WireMessage {
	for i, m := range messages {
		if *size += len(m.Text); *size > MaxWire {
			return messages[:i]
		}
	}
	return messages
}
