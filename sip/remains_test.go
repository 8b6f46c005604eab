package sip

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// What must be gone after a request, a call or a connection, whatever ended it.

// empty waits until the endpoint holds nothing for anybody.
func (r *rig) empty() {
	r.t.Helper()
	eventually(r.t, "nothing remains", func() bool { return r.remains() == "" })
}

// remains names the first thing that the endpoint still holds.
func (r *rig) remains() string {
	s := r.Stats()
	r.busy.mu.Lock()
	busy := len(r.busy.n)
	r.busy.mu.Unlock()
	r.dialogs.mu.RLock()
	users := len(r.dialogs.users)
	r.dialogs.mu.RUnlock()
	kept := 0
	r.arrivals.mu.Lock()
	for _, half := range []map[string]*arrival{r.arrivals.list.newer, r.arrivals.list.older} {
		for _, a := range half {
			if a.d != nil || a.cancel != nil {
				kept++
			}
		}
	}
	r.arrivals.mu.Unlock()
	for what, n := range map[string]int{
		"transactions": s.Transactions, "transactions of ours": s.Requests, "dialogs": s.Dialogs,
		"busy sources": busy, "dialogs of users": users, "arrivals": kept,
	} {
		if n != 0 {
			return what
		}
	}
	return ""
}

// overTCP is a call that its peer makes by a connection.
func (r *rig) overTCP() (*streamPeer, *call) {
	s := dialTCP(r.t, r.LocalAddr("tcp"))
	return s, r.streamCall(s)
}

func (r *rig) streamCall(s *streamPeer) *call {
	c := r.peer().newCall() // only for its message writer
	c.transport = "TCP"
	c.target = "sip:bob@" + r.LocalAddr("tcp").String() + ";transport=tcp"
	c.branch = "z9hG4bK" + c.id
	return c
}

func TestAnswerToACutConnection(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	s, c := r.overTCP()
	s.raw(c.message("INVITE", 1, c.branch, c.offer))
	d := r.incoming()
	_ = s.conn.Close()
	eventually(t, "the connection ends", func() bool { return r.Stats().Connections == 0 })
	if err := d.Accept([]byte(sdp("answer"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the call ends", func() bool { v.Advance(time.Second); return r.Stats().Dialogs == 0 })
	r.empty()
}

// A phone whose connection has ended cancels by another one.
func TestCancelByAnotherConnection(t *testing.T) {
	r := newRig(t, nil)
	s, c := r.overTCP()
	s.raw(c.message("INVITE", 1, c.branch, c.offer))
	d := r.incoming()
	_ = s.conn.Close()
	eventually(t, "the connection ends", func() bool { return r.Stats().Connections == 0 })
	again := dialTCP(t, r.LocalAddr("tcp"))
	again.raw(c.message("CANCEL", 1, c.branch, ""))
	if ev := expect(t, d, Ended); ev.Reason != ReasonCancel {
		t.Fatalf("%+v", ev)
	}
}

// faulty panics at the first event of a kind.
func faulty(d *Dialog, kind EventKind) {
	armed := true
	d.Follow(func(ev Event) {
		if ev.Kind == kind && armed {
			armed = false
			panic("a defect")
		}
	}, func() {})
}

func TestADefectLeavesNobodyWaiting(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	faulty(d, Info)
	_ = d.Accept([]byte(sdp("answer")))
	c.to = p.response(200, "INVITE").get("To")
	c.ack("")
	c.request("INVITE", sdp("hold"))
	c.request("INFO", "Signal=1", "Content-Type: application/dtmf-relay")
	got := map[string]bool{}
	for !got["487 INVITE"] || !got["BYE"] {
		w := p.next("487 to the re-INVITE, and BYE", func(w packet) bool { return w.code() >= 200 || w.method() == "BYE" })
		if w.code() == 0 {
			p.answer(w, 200, "OK", "", "")
			got["BYE"] = true
			continue
		}
		_, method, _ := strings.Cut(w.get("CSeq"), " ")
		got[strings.Fields(w.start)[1]+" "+method] = true
	}
}

// The first reader of a call's events is at fault: that costs this call only.
func TestADefectOfALateReader(t *testing.T) {
	r := newRig(t, nil)
	p, _, d := r.establishedUnread()
	faulty(d, Traced)
	p.answer(p.request("BYE"), 200, "OK", "", "")
	if s := r.Stats(); s.Panics != 1 {
		t.Fatalf("%+v", s)
	}
}

// establishedUnread is a call whose events nobody has read.
func (r *rig) establishedUnread() (*peer, *call, *Dialog) {
	p := r.peer()
	c := p.newCall()
	c.invite()
	d := r.incoming()
	_ = d.Accept([]byte(sdp("answer")))
	c.to = p.response(200, "INVITE").get("To")
	c.ack("")
	c.request("INFO", "")
	p.response(200, "INFO")
	return p, c, d
}

func TestADefectCancelsWhatRings(t *testing.T) {
	v := clock.NewVirtual(testStart)
	r := newRig(t, virtual(v))
	p := r.peer()
	d, err := r.Dial(Outgoing{Target: Target{URI: "sip:bob@" + p.addr().String()}, From: Address{User: "101"}, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	faulty(d, Provisional)
	p.answer(p.request("INVITE"), 180, "Ringing", "b1", "")
	p.answer(p.request("CANCEL"), 200, "OK", "b1", "")
	<-d.done
	eventually(t, "an INVITE without an answer ends", func() bool { v.Advance(time.Second); return r.remains() == "" })
}

// An INVITE whose dialog is over before anybody has answered is cancelled when
// somebody does.
func TestOrphanedInviteIsCancelled(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	d, err := r.Dial(Outgoing{Target: Target{URI: "sip:bob@" + p.addr().String()}, From: Address{User: "101"}, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	invite := p.request("INVITE")
	d.box.postUrgent(input{kind: inClose, reason: ReasonError})
	<-d.done
	p.answer(invite, 180, "Ringing", "b1", "")
	if w := p.request("CANCEL"); w.branch() != invite.branch() {
		t.Fatalf("%+v", w)
	}
}

func TestRepeatedRefusalsAreAcknowledgedAtOnce(t *testing.T) {
	const times = 100
	r := newRig(t, nil)
	p := r.peer()
	d, err := r.Dial(Outgoing{Target: Target{URI: "sip:bob@" + p.addr().String()}, From: Address{User: "101"}, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	invite := p.request("INVITE")
	p.answer(invite, 486, "Busy Here", "b1", "")
	first := p.request("ACK")
	expect(t, d, Ended)
	eventually(t, "its transaction ends", func() bool { return r.Stats().Requests == 0 })
	for range times {
		p.answer(invite, 486, "Busy Here", "b1", "")
		w := p.request("ACK")
		if w.branch() != invite.branch() || w.uri() != first.uri() {
			t.Fatalf("%+v", w)
		}
		for _, name := range []string{"From", "To", "Call-ID", "CSeq", "Via"} {
			if w.get(name) != first.get(name) {
				t.Fatalf("%s: %q, the first was %q", name, w.get(name), first.get(name))
			}
		}
	}
	p.answer(invite, 486, "Busy Here", "b1", "") // of no INVITE that we know
	p.request("ACK")
}

// Repeated answers come on goroutines of their own, and sipgo writes into the ACK
// that it sends: this is for the race detector.
func TestRepeatedAnswersAreAcknowledged(t *testing.T) {
	const times = 50
	r := newRig(t, nil)
	for _, code := range []int{486, 200} {
		p := r.peer()
		d, err := r.Dial(Outgoing{Target: Target{URI: "sip:bob@" + p.addr().String()}, From: Address{User: "101"}, Body: []byte(sdp("offer"))})
		if err != nil {
			t.Fatal(err)
		}
		invite := p.request("INVITE")
		p.answer(invite, code, "Answer", "b1", sdp("answer"))
		p.request("ACK")
		if code == 486 {
			expect(t, d, Ended)
			eventually(t, "its transaction ends", func() bool { return r.Stats().Requests == 0 })
		}
		for range times {
			p.answer(invite, code, "Answer", "b1", sdp("answer"))
		}
		for range times {
			p.request("ACK")
		}
	}
}

func TestMaxRefusals(t *testing.T) {
	var r refusals
	r.kept = map[string]ackSent{}
	for i := range maxRefusals - 1 {
		r.kept[string(rune(i))] = ackSent{}
	}
	if !r.keep("fits", ackSent{}) || r.keep("one too many", ackSent{}) || len(r.kept) != maxRefusals {
		t.Fatal(len(r.kept))
	}
}

func TestMaxSilentHops(t *testing.T) {
	var s silentHops
	s.kept = map[string]*silentHop{}
	for i := range maxSilentHops - 1 {
		s.kept[string(rune(i))] = &silentHop{}
	}
	if !s.keep("fits", nil) || s.keep("one too many", nil) || len(s.kept) != maxSilentHops {
		t.Fatal(len(s.kept))
	}
}

func TestRefusedInviteKeepsNoCancel(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.Trust = nil })
	p := r.peer()
	c := p.newCall()
	c.invite()
	p.response(403, "INVITE")
	eventually(t, "the INVITE is forgotten", func() bool {
		r.arrivals.mu.Lock()
		defer r.arrivals.mu.Unlock()
		return r.arrivals.list.size() == 0
	})
	c.cancel()
	p.response(481, "CANCEL")
	r.empty()
}

func TestAckWithTheBranchOfItsReinvite(t *testing.T) {
	r := newRig(t, nil)
	p, c, d := r.established()
	c.seq++
	p.raw(c.message("INVITE", c.seq, "z9hG4bKre", ""))
	ev := expect(t, d, Offered)
	_ = d.Respond(ev.ID, 200, []byte(sdp("ours")))
	p.response(200, "INVITE")
	p.raw(c.message("ACK", c.seq, "z9hG4bKre", sdp("theirs")))
	if got := expect(t, d, Confirmed); got.ID != ev.ID || string(got.Body) != sdp("theirs") {
		t.Fatalf("%+v", got)
	}
}
