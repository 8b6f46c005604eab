package media

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

// digitsIn reads the digits in what a party has heard.
func digitsIn(packets []heard, pt uint8) string {
	var d digitReceiver
	out := ""
	for _, h := range packets {
		if h.pt != pt {
			continue
		}
		ev, _ := parseEvent(h.payload)
		if n := d.packet(h.ssrc, h.ts, audio.SampleRate, ev, time.UnixMilli(h.at.Milliseconds())); n.began {
			out += string(n.beganKey)
		}
	}
	return out
}

// A peer that sends nothing but digits, with silence between them: all of
// them pass, in order, and the stream has no hole.
func TestBridgePassesDigitsOutOfSilence(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	a.s.Bridge(b.s)
	st.run(200*time.Millisecond, nil, a, b)
	pt := a.s.Negotiated().EventSend.PT
	for _, code := range []uint8{1, 1, 2, 3} {
		st.run(200*time.Millisecond, a.press(code, pt), a, b)
		st.run(500*time.Millisecond, nil, a, b)
		a.ts += 25 * audio.FrameSamples
	}
	if got := digitsIn(b.packets, pt); got != "1123" {
		t.Fatalf("passed on %q", got)
	}
	contiguousSeq(t, b.packets)
	st.run(500*time.Millisecond, a.talk(1), a, b)
	contiguousSeq(t, b.packets)
	if n := len(content(b.packets[len(b.packets)-10:], codec.PCMA)); n != 10 {
		t.Fatalf("%d of 10 packets of voice after the digits", n)
	}
}

// Digits with holes of 100 ms inside them, which the leg fills with silence,
// stay one digit each.
func TestBridgedDigitWithAHoleStaysOne(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	a.s.Bridge(b.s)
	st.run(200*time.Millisecond, a.talk(1), a, b)
	pt := a.s.Negotiated().EventSend.PT
	ts := a.ts
	for i, dur := range []uint16{160, 320, 1280, 1440, 1600} {
		if i == 2 {
			st.run(100*time.Millisecond, nil, a, b)
			a.seq += 5
		}
		a.sendEvent(pt, ts, telephoneEvent{6, dur == 1600, dur})
		st.run(20*time.Millisecond, nil, a, b)
	}
	if got := digitsIn(b.packets, pt); got != "6" || a.events.digits() != "6" {
		t.Fatalf("passed on %q, reported %q", got, a.events.digits())
	}
	contiguousSeq(t, b.packets)
}

// Digits sent on a bridged leg cover the bridge, gaps included.
func TestSendDigitsOnABridgedLeg(t *testing.T) {
	st := newStudio(t, 1)
	a, b := st.leg(nil), st.leg(nil)
	a.s.Bridge(b.s)
	talk := a.talk(1)
	st.run(200*time.Millisecond, talk, a, b)
	if err := b.s.SendDigits("12w3"); err != nil {
		t.Fatal(err)
	}
	st.run(2*time.Second, talk, a, b)
	pt := b.s.Negotiated().EventSend.PT
	if got := digitsIn(b.packets, pt); got != "123" {
		t.Fatalf("sent %q", got)
	}
	contiguousSeq(t, b.packets)
	inside := false
	for i, h := range b.packets {
		if h.pt == pt {
			inside = true
		} else if inside && i+1 < len(b.packets) && b.packets[i+1].pt == pt && string(h.payload) != string(codec.PCMA.Silence()) && digitsIn(b.packets[i+1:], pt) == "23" {
			t.Fatal("voice in the gap between two digits")
		}
	}
	if n := len(content(b.packets[len(b.packets)-10:], codec.PCMA)); n != 10 {
		t.Fatalf("%d of 10 packets of voice after the digits", n)
	}
	// The other leg has no telephone-event of its own: dropped and counted.
	plain := st.open(nil)
	offer := "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n"
	if _, err := plain.s.Answer([]byte(offer)); err != nil {
		t.Fatal(err)
	}
	plain.s.Start()
	a.s.Bridge(plain.s)
	st.run(100*time.Millisecond, talk, a)
	before := st.engine.Stats().Dropped[DropBridge]
	st.run(200*time.Millisecond, a.press(4, pt), a)
	if n := st.engine.Stats().Dropped[DropBridge] - before; n != 8 {
		t.Fatalf("%d event packets counted", n)
	}
}

func TestDropNames(t *testing.T) {
	seen := map[string]bool{}
	for d := range dropKinds {
		if s := d.String(); s == "" || s == "unknown" || seen[s] {
			t.Fatalf("%d: %q", d, s)
		} else {
			seen[s] = true
		}
	}
	if Drop(200).String() != "unknown" {
		t.Fatal("out of range")
	}
}
