package call

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/srtp"
	"github.com/loopstart/loopstart/sip"
)

// secure is a phone of w that answers every call with a policy, and refuses
// what it cannot take as real ones do.
func secure(w *world, how srtp.Policy) func(*phone) {
	return func(p *phone) {
		p.session.Close()
		s, err := w.phones.Open(media.SessionOptions{Bind: loopback, Voice: 100 * time.Millisecond, Sink: p.heard, SRTP: how})
		if err != nil {
			w.t.Error(err)
			return
		}
		p.session = s
		answer, err := s.Answer(p.offer)
		if err != nil {
			p.refuse(488)
			return
		}
		s.Start()
		p.send(sip.Event{Kind: sip.Answered, Code: 200, Body: answer})
	}
}

// insists takes RTP/SAVP and nothing else.
func insists(w *world) func(*phone) {
	return func(p *phone) {
		if !strings.Contains(string(p.offer), "RTP/SAVP ") {
			p.refuse(488)
			return
		}
		secure(w, srtp.Required)(p)
	}
}

func TestOutboundSecurity(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy srtp.Policy
		callee func(*world) func(*phone)
		dials  int
		cause  string // of the record; "" is answered
		suite  string
		note   string
	}{
		{"both may", srtp.Optional, func(w *world) func(*phone) { return secure(w, srtp.Optional) }, 1, "", "AEAD_AES_256_GCM", "encrypted with SRTP, AEAD_AES_256_GCM"},
		{"they do without", srtp.Optional, func(w *world) func(*phone) { return secure(w, srtp.Off) }, 1, "", "", "not encrypted: the other side does without SRTP"},
		{"they insist", srtp.Optional, insists, 2, "", "AEAD_AES_256_GCM", "once more with SRTP only"},
		{"required", srtp.Required, func(w *world) func(*phone) { return secure(w, srtp.Optional) }, 1, "", "AEAD_AES_256_GCM", "encrypted with SRTP"},
		{"required, refused", srtp.Required, func(w *world) func(*phone) { return func(p *phone) { p.refuse(488) } }, 1, "rejected", "", ""},
		{"required, answered in the clear", srtp.Required, func(w *world) func(*phone) {
			return func(p *phone) {
				p.send(sip.Event{Kind: sip.Answered, Code: 200, Body: sdp.BuildOffer(sdp.Local{Addr: loopback, Port: 4000, Codecs: []*codec.Codec{codec.PCMA}})})
			}
		}, 1, "refusing downgrade", "", "answer refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.callees["t"] = c.callee(w)
			places, err := w.Resolve(DialRequest{Target: "t"})
			if err != nil {
				t.Fatal(err)
			}
			places[0].Routes[0].Media.SRTP = c.policy
			w.call = New(Spec{ID: "o.1", Order: "o", Outbound: true, RingTimeout: 10 * time.Second}, w.deps)
			w.call.Originate(places[0])
			w.pass(time.Second)
			w.mu.Lock()
			dials, answered := len(w.dialled), slices.Contains(w.events, "answered")
			w.mu.Unlock()
			if dials != c.dials || answered != (c.cause == "") {
				t.Errorf("%d dials, answered %v\n%s", dials, answered, w.story())
			}
			if !strings.Contains(w.story(), c.note) {
				t.Errorf("not noted: %s\n%s", c.note, w.story())
			}
			if answered {
				w.call.Hangup("system")
				w.pass(20 * time.Second)
			}
			r := w.final()
			if r.SRTP != c.suite || c.cause == "refusing downgrade" && (r.Cause != c.cause || r.Outcome != Failed || r.Code != 488) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A caller without keys where SRTP is required is refused with words, one with
// keys is noted and recorded, and a re-INVITE that drops them changes nothing.
func TestInboundSecurity(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{Session: media.SessionOptions{Bind: loopback, SRTP: srtp.Required}})
	w.pass(time.Second)
	r := w.final()
	if !caller.did("488") || r.Cause != "refusing downgrade" || !strings.Contains(strings.Join(caller.log, "\n"), `Warning: 302 loopstart "no acceptable audio: refusing downgrade: SRTP is required: no a=crypto"`) {
		t.Errorf("%+v\n%s", r, strings.Join(caller.log, "\n"))
	}
}
