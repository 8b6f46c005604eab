package call

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
)

// A leg from which nothing comes for the media timeout is ended, and its
// timeline tells why; while one side holds the other, silence is no sign.
func TestMediaTimeoutEndsTheCallButNoHold(t *testing.T) {
	const timeout = 3 * time.Second
	w := newWorld(t)
	caller := w.inbound(Spec{Session: media.SessionOptions{MediaTimeout: timeout}})
	w.answer()
	silent := false
	from := caller.session.LocalAddr()
	w.fabric.Lose = func(sender, _ netip.AddrPort, _ []byte) bool { return silent && sender == from }
	w.pass(time.Second)
	w.want(w.hold(true), "null")
	silent = true
	w.pass(5 * timeout)
	if strings.Contains(w.story(), "ended") {
		t.Fatalf("ended while on hold\n%s", w.story())
	}
	silent = false
	w.want(w.hold(false), "null")
	w.pass(5 * timeout)
	if strings.Contains(w.story(), "ended") {
		t.Fatalf("ended while the caller is heard\n%s", w.story())
	}
	silent = true
	w.pass(timeout - 500*time.Millisecond)
	if strings.Contains(w.story(), "ended") {
		t.Fatalf("ended too early\n%s", w.story())
	}
	w.pass(time.Second)
	if !strings.Contains(w.story(), "no packets: media timeout") {
		t.Fatalf("not ended\n%s", w.story())
	}
	if r := w.final(); r.EndedBy == "caller" || !strings.Contains(r.Cause, "media") {
		t.Fatalf("by %s, %s", r.EndedBy, r.Cause)
	}
}

// Who never sends is ended too where that is asked for, and not before the
// answer: who rings need not send.
func TestMediaTimeoutBeginsWithTheAnswer(t *testing.T) {
	const timeout = 3 * time.Second
	for _, required := range []bool{false, true} {
		w := newWorld(t)
		caller := w.inbound(Spec{Session: media.SessionOptions{MediaTimeout: timeout, RequireMedia: required}})
		from := caller.session.LocalAddr()
		w.fabric.Lose = func(sender, _ netip.AddrPort, _ []byte) bool { return sender == from }
		w.do(func(l *Leg, v Verb) { l.Progress(v) })
		w.pass(3 * timeout)
		if strings.Contains(w.story(), "ended") {
			t.Fatalf("ended before the answer\n%s", w.story())
		}
		w.answer()
		w.pass(timeout - 500*time.Millisecond)
		if strings.Contains(w.story(), "ended") {
			t.Fatalf("ended too early\n%s", w.story())
		}
		w.pass(time.Second)
		if got := strings.Contains(w.story(), "no packets: media timeout"); got != required {
			t.Fatalf("required %v: ended %v\n%s", required, got, w.story())
		}
	}
}

func (w *world) hold(on bool) *reply {
	r := w.do(func(l *Leg, v Verb) { l.Hold(on, nil, v) })
	w.pass(100 * time.Millisecond)
	return r
}
