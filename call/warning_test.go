package call

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
)

// TestOfferRefusedSaysWhy: a page that offers WebRTC audio learns what is wrong.
func TestOfferRefusedSaysWhy(t *testing.T) {
	const head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
	for offer, want := range map[string]string{
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n": `Warning: 302 loopstart "`,
		"m=audio 9 RTP/AVP 99\r\na=rtpmap:99 x\"y/8000\r\n":                `Warning: 305 loopstart "`,
	} {
		w := newWorld(t)
		p := w.phone("caller")
		p.offer = []byte(head + offer)
		w.call = New(Spec{ID: "c1.1", Order: "c1", Script: "test", Session: media.SessionOptions{Bind: loopback}}, w.deps)
		w.call.Inbound(p)
		w.call.Attach(w)
		w.pass(0)
		p.mu.Lock()
		log := strings.Join(p.log, "\n")
		p.mu.Unlock()
		i := strings.Index(log, want)
		if i < 0 || !strings.Contains(log, "488") {
			t.Fatalf("no %q in\n%s", want, log)
		}
		line, _, _ := strings.Cut(log[i:], "\n")
		if strings.Count(line, `"`) != 2 {
			t.Errorf("%q", line)
		}
	}
}

// TestNamesOfPeers: what becomes of a host name in the other side's description
// is told, and where it leads nowhere the call ends rather than being one-sided.
func TestNamesOfPeers(t *testing.T) {
	bad := errors.New("media: the name m.example: no such name")
	for name, tc := range map[string]struct {
		up   bool
		ev   media.Event
		want string
		ends bool
	}{
		"found":               {true, media.Event{Reason: "m.example is 192.0.2.7", Completed: true}, "m.example is 192.0.2.7", false},
		"somewhere else":      {true, media.Event{Reason: "m.example is 192.0.2.9", Err: bad, Completed: true}, "no such name; sent to where its signalling comes from", false},
		"nowhere":             {true, media.Event{Reason: "m.example", Err: bad}, "no such name", true},
		"nowhere, unanswered": {false, media.Event{Reason: "m.example", Err: bad}, "no such name", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			caller := w.inbound(Spec{})
			if tc.up {
				w.answer()
			}
			tc.ev.Kind = media.NameFound
			w.do(func(l *Leg, v Verb) { l.mediaEvent(tc.ev) })
			w.pass(time.Second)
			if !strings.Contains(w.story(), tc.want) {
				t.Errorf("no %q in\n%s", tc.want, w.story())
			}
			if over := caller.did("hung up") || caller.did("488"); over != tc.ends || tc.ends && !tc.up && !caller.did("488") {
				t.Errorf("%v", caller.log)
			}
		})
	}
}

// TestNoAudioForACall: a call that gets no media session, because no port is free
// or its address is gone, is refused; a script that answers it meanwhile is told.
func TestNoAudioForACall(t *testing.T) {
	w := newWorld(t)
	w.deps.Open = func(media.SessionOptions) (*media.Session, error) { return nil, errors.New("media: no port is free") }
	p := w.phone("caller")
	p.offer = p.session.Offer()
	w.call = New(Spec{ID: "c1.1", Order: "c1", Script: "test", Session: media.SessionOptions{Bind: loopback}}, w.deps)
	w.call.Inbound(p)
	w.call.Attach(w)
	r := w.do(func(l *Leg, v Verb) { l.Answer(v) }) // before the end of the call is known
	w.call.ScriptEnded(nil)
	w.pass(20 * time.Second)
	if got := r.get(); !strings.Contains(got, "HANGUP") {
		t.Errorf("answer() came to %s", got)
	}
	if got := w.final(); got.Outcome != Failed || got.Code != 503 || got.EndedBy != "system" {
		t.Errorf("%+v", got)
	}
	if n := w.deps.Counters.Panics.Load(); n != 0 {
		t.Errorf("%d panics", n)
	}
}
