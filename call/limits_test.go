package call

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/detect"
	"github.com/loopstart/loopstart/sip"
)

var longAgo = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// bare is a call that nothing runs.
func bare() *Call {
	v := clock.NewVirtual(longAgo)
	return &Call{clk: v, legs: map[string]*Leg{}, deps: Deps{Counters: &Counters{}}, line: newTimeline(longAgo, nil)}
}

func TestLegsAreBounded(t *testing.T) {
	c := bare()
	for i := range MaxLegs {
		if _, err := c.addLeg(true); err != nil {
			t.Fatalf("leg %d: %v", i+1, err)
		}
	}
	if _, err := c.addLeg(true); fault.CodeOf(err) != fault.Limit || c.deps.Counters.Refused.Load() != 1 {
		t.Fatalf("%v", err)
	}
}

// TestTypedAheadIsBounded: the oldest keys are lost.
func TestTypedAheadIsBounded(t *testing.T) {
	l := &Leg{}
	for i := range MaxTypedAhead + 3 {
		l.typeAhead('0' + byte(i%10))
	}
	if len(l.typed) != MaxTypedAhead || l.typed[0] != '3' {
		t.Fatalf("%d keys: %s", len(l.typed), l.typed)
	}
}

// TestMailboxOverflowEndsTheCall: and is counted.
func TestMailboxOverflowEndsTheCall(t *testing.T) {
	for n, over := range map[int]int64{MailboxCapacity: 0, MailboxCapacity + 1: 1} {
		w := newWorld(t)
		w.inbound(Spec{})
		w.answer()
		w.call.Do(func() {
			for range n {
				w.call.post(func() {})
			}
		})
		w.pass(time.Second)
		w.mu.Lock()
		ended := w.record != nil
		w.mu.Unlock()
		if got := w.deps.Counters.Overflows.Load(); got != over || ended != (over > 0) {
			t.Errorf("%d posted: %d overflows, ended %t", n, got, ended)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	for n, want := range map[int]int{maxLabel: maxLabel, maxLabel + 1: maxLabel + 1} { // the last one is "…"
		label := Label([]Part{{Text: strings.Repeat("ж", n)}})
		if got := len([]rune(label)) - 2; got != want || strings.Contains(label, "…") != (n > maxLabel) {
			t.Errorf("%d characters of %d", got, n)
		}
	}
}

// TestEarlyNotesAreBounded: a caller's network that toggles its tones fills no
// timeline.
func TestEarlyNotesAreBounded(t *testing.T) {
	c := bare()
	e := &preanswer{leg: &Leg{call: c, route: Route{NoteTones: true}}}
	for range maxEarlyNotes + 1 {
		e.take(detect.ProgressBusy)
	}
	if n := len(c.line.Entries()); n != maxEarlyNotes {
		t.Fatalf("%d entries", n)
	}
}

func TestLegQualitiesAreBounded(t *testing.T) {
	var q Quality
	for range maxLegQualities + 1 {
		q.add(LegQuality{})
	}
	if len(q.Legs) != maxLegQualities {
		t.Fatalf("%d legs", len(q.Legs))
	}
}

// TestStreamsOfALeg: one more is refused, and counted.
func TestStreamsOfALeg(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.answer()
	r := w.do(func(l *Leg, v Verb) {
		l.streams = map[uint32]*streaming{}
		for i := range uint32(MaxStreams) {
			l.streams[i] = nil
		}
		l.Stream(StreamOptions{}, v)
		l.streams = nil
	})
	if got := r.get(); got != "LIMIT" || w.deps.Counters.Refused.Load() != 1 {
		t.Fatal(got)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	tl := newTimeline(longAgo, nil)
	for range MaxTimeline {
		tl.Add(longAgo, "log", "", "x", "")
	}
	if list := tl.Entries(); len(list) != MaxTimeline || list[MaxTimeline-1].Kind != "log" {
		t.Fatalf("%d entries", len(list))
	}
	tl.Add(longAgo, "log", "", "x", "")
	if list := tl.Entries(); len(list) != MaxTimeline+1 || list[MaxTimeline].Kind != "limit" {
		t.Fatalf("%d entries", len(list))
	}
}

// traced is a dialog of which nothing is known but its wire messages.
type traced struct{ Dialog }

func (traced) Wire() *sip.Trace { return &sip.Trace{} }

func TestLadderIsBounded(t *testing.T) {
	tl := newTimeline(longAgo, nil)
	for range MaxWatched + 2 {
		tl.watch("a", traced{})
	}
	if _, dropped := tl.Wire(); len(tl.wires) != MaxWatched || dropped != 2 {
		t.Fatalf("%d dialogs, %d dropped", len(tl.wires), dropped)
	}
	half := sip.WireMessage{Text: make([]byte, MaxWire/2)}
	for extra, kept := range map[int]int{0: 2, 1: 1} {
		size := extra
		if got := fitting([]sip.WireMessage{half, half, half}, &size); len(got) != kept {
			t.Errorf("beside %d bytes: %d messages", extra, len(got))
		}
	}
}
