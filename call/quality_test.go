package call

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// One leg of a talk loses every tenth packet on its way to us: the record tells
// so for that leg, the timeline at each leg's end, and the figures by trunk.
func TestQualityIsToldPerLeg(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{Trunk: "mango"})
	w.answer()
	w.callees["anna"] = answers(w, time.Second)
	n := 0
	var anna netip.AddrPort
	w.fabric.Lose = func(from, _ netip.AddrPort, _ []byte) bool {
		if from != anna {
			return false
		}
		n++
		return n%10 == 5
	}
	w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) })
	w.pass(2 * time.Second)
	anna = w.callee("anna").session.LocalAddr()
	caller.speak("tone:500/20s")
	w.callee("anna").speak("tone:800/20s")
	w.pass(20 * time.Second)
	w.callee("anna").bye()
	w.pass(time.Second)
	w.call.ScriptEnded(nil)
	w.pass(time.Second)
	q := w.final().Quality
	if q.Loss != 0 || q.MOS < 4.3 || len(q.Legs) != 2 {
		t.Fatalf("%+v", q)
	}
	b, a := q.Legs[0], q.Legs[1]
	if b.Leg != "b" || a.Leg != "a" || b.Loss < 0.08 || b.Loss > 0.12 || a.Loss != 0 || b.MOS > 3.7 || a.MOS < 4.3 || b.Codec != "PCMA" {
		t.Fatalf("%+v", q.Legs)
	}
	story := w.story()
	for _, line := range []string{"b media heard in PCMA: loss 9", "a media heard in PCMA: loss 0.0 %"} {
		if !strings.Contains(story, line) {
			t.Errorf("no %q in\n%s", line, story)
		}
	}
	figures := w.deps.Counters.Quality.Figures()
	if f := figures["mango"]; f.Loss.Count != 1 || f.Loss.Up[0] != 1 || f.MOS.Count != 1 || f.MOS.Sum < 4.3 {
		t.Errorf("of the trunk: %+v", f)
	}
	if f := figures["anna"]; f.Loss.Count != 1 || f.Loss.Up[0] != 0 || f.Loss.Sum < 0.08 {
		t.Errorf("of the callee: %+v", f)
	}
}

// TestNothingHeardIsTold: a leg from which no packet came in an answered call
// is the first thing to know of it.
func TestNothingHeardIsTold(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	caller.session.Close()
	w.answer()
	w.pass(2 * time.Second)
	w.call.Hangup("system")
	w.pass(2 * time.Second)
	if n := strings.Count(w.story(), "a media not heard: no audio came"); n != 1 {
		t.Fatalf("%d times\n%s", n, w.story())
	}
}

// A call that nobody was heard in tells no score.
func TestQualityOfSilenceIsNotScored(t *testing.T) {
	w := newWorld(t)
	w.inbound(Spec{})
	w.call.Hangup("system")
	w.pass(2 * time.Second)
	if q := w.final().Quality; q.MOS != 0 || len(q.Legs) != 0 || strings.Contains(w.story(), "heard in") {
		t.Fatalf("%+v\n%s", q, w.story())
	}
}

func TestQualitiesAreBounded(t *testing.T) {
	var x Qualities
	for i := range maxQualityTrunks + 10 {
		x.Add("trunk"+itoa(i), LegQuality{MOS: 4})
	}
	f := x.Figures()
	if len(f) != maxQualityTrunks+1 || f["other"].MOS.Count != 10 {
		t.Fatalf("%d trunks, %d legs of others", len(f), f["other"].MOS.Count)
	}
}
