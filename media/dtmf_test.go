package media

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

// eventPacket is one step of a digit test: a packet, or the passing of time.
type eventPacket struct {
	at   int // ms
	ssrc uint32
	ts   uint32
	code uint8
	end  bool
	dur  uint16
	pass bool // no packet: idle is asked
}

func TestDigitReceiver(t *testing.T) {
	const long = segmentMax
	tests := []struct {
		name  string
		clock int
		in    []eventPacket
		want  string // "+5" began, "-5/160" ended
	}{
		{"plain", 8000, []eventPacket{{at: 0, ts: 100, code: 5, dur: 160}, {at: 20, ts: 100, code: 5, dur: 320}, {at: 40, ts: 100, code: 5, dur: 480, end: true}}, "+5 -5/60"},
		{"repeated ends", 8000, []eventPacket{{ts: 100, code: 5, dur: 160}, {ts: 100, code: 5, dur: 480, end: true}, {ts: 100, code: 5, dur: 480, end: true}, {ts: 100, code: 5, dur: 480, end: true}}, "+5 -5/60"},
		{"only an end packet", 8000, []eventPacket{{ts: 100, code: 11, dur: 800, end: true}, {ts: 100, code: 11, dur: 800, end: true}}, "+# -#/100"},
		{"ends lost", 8000, []eventPacket{{at: 0, ts: 100, code: 1, dur: 160}, {at: 149, pass: true}, {at: 150, pass: true}, {at: 200, pass: true}}, "+1 -1/20"},
		{"ended by the next digit", 8000, []eventPacket{{ts: 100, code: 1, dur: 160}, {ts: 2000, code: 2, dur: 160}, {ts: 2000, code: 2, dur: 160, end: true}}, "+1 -1/20 +2 -2/20"},
		{"same key twice", 8000, []eventPacket{{ts: 100, code: 7, dur: 160, end: true}, {ts: 2000, code: 7, dur: 160, end: true}}, "+7 -7/20 +7 -7/20"},
		{"late packet of the digit before", 8000, []eventPacket{{ts: 100, code: 1, dur: 160, end: true}, {ts: 2000, code: 2, dur: 160}, {ts: 100, code: 1, dur: 160, end: true}, {ts: 2000, code: 2, dur: 320, end: true}}, "+1 -1/20 +2 -2/40"},
		{"captures played one after the other", 8000, []eventPacket{{at: 0, ts: 37280, code: 4, dur: 160, end: true}, {at: 140, ts: 37280, code: 4, dur: 160, end: true}, {at: 400, ts: 21280, code: 2, dur: 160}, {at: 420, ts: 21280, code: 2, dur: 320, end: true}, {at: 420, ts: 21280, code: 2, dur: 320, end: true}}, "+4 -4/20 +2 -2/40"},
		{"a gap of 1.4 s inside one digit", 8000, []eventPacket{{at: 0, ts: 100, code: 3, dur: 160}, {at: 150, pass: true}, {at: 1400, ts: 100, code: 3, dur: 11200}, {at: 1420, ts: 100, code: 3, dur: 11360, end: true}}, "+3 -3/20"},
		{"reordered durations", 8000, []eventPacket{{ts: 100, code: 3, dur: 480}, {ts: 100, code: 3, dur: 320}, {ts: 100, code: 3, dur: 640, end: true}}, "+3 -3/80"},
		{"long event in segments", 8000, []eventPacket{{ts: 100, code: 4, dur: 160}, {at: 10, ts: 100, code: 4, dur: long}, {at: 20, ts: 100 + long, code: 4, dur: 160}, {at: 30, ts: 100 + long, code: 4, dur: 800, end: true}}, "+4 -4/8291"},
		{"segments of another key", 8000, []eventPacket{{ts: 100, code: 4, dur: long}, {ts: 100 + long, code: 5, dur: 160, end: true}, {at: 150, pass: true}}, "+4 -4/8191 +5 -5/20"},
		{"timestamps wrap", 8000, []eventPacket{{ts: 1<<32 - 100, code: 4, dur: 160, end: true}, {ts: 3000, code: 5, dur: 160, end: true}}, "+4 -4/20 +5 -5/20"},
		{"48 kHz", 48000, []eventPacket{{ts: 100, code: 9, dur: 960}, {ts: 100, code: 9, dur: 4800, end: true}}, "+9 -9/100"},
		{"16 kHz", 16000, []eventPacket{{ts: 100, code: 9, dur: 1600, end: true}}, "+9 -9/100"},
		{"another source", 8000, []eventPacket{{ssrc: 1, ts: 9000, code: 1, dur: 160, end: true}, {ssrc: 2, ts: 100, code: 1, dur: 160, end: true}}, "+1 -1/20 +1 -1/20"},
		{"flash and letters", 8000, []eventPacket{{ts: 100, code: 16, dur: 160, end: true}, {ts: 900, code: 12, dur: 160, end: true}}, "+! -!/20 +A -A/20"},
		{"digit pressed while the one before is open, ends only", 8000, []eventPacket{{at: 0, ts: 100, code: 1, dur: 160}, {at: 10, ts: 900, code: 2, dur: 400, end: true}, {at: 30, ts: 900, code: 2, dur: 400, end: true}}, "+1 -1/20 +2 -2/50"},
	}
	for _, tt := range tests {
		var d digitReceiver
		var got []string
		for _, p := range tt.in {
			now := time.UnixMilli(int64(p.at))
			var n digitNews
			if p.pass {
				n = d.idle(now)
			} else {
				n = d.packet(p.ssrc, p.ts, tt.clock, telephoneEvent{p.code, p.end, p.dur}, now)
			}
			end := fmt.Sprintf("-%c/%d", n.endedKey, n.durationMs)
			if n.ended && (n.endedBefore || !n.began) {
				got = append(got, end)
			}
			if n.began {
				got = append(got, "+"+string(n.beganKey))
			}
			if n.ended && n.began && !n.endedBefore {
				got = append(got, end)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
	}
}

// dialled are the packets of digits as §2.5 of RFC 4733 sends them, by the
// millisecond at which they leave.
func dialled(digits string, pressMs, pauseMs int, ts uint32) (out []eventPacket) {
	at := 0
	for i := range len(digits) {
		start := at
		for elapsed := 20; elapsed < pressMs; elapsed += 20 {
			out = append(out, eventPacket{at: start + elapsed, ts: ts, code: eventCode(digits[i]), dur: uint16(elapsed * 8)})
		}
		for n := range endRepeats {
			out = append(out, eventPacket{at: start + pressMs + 20*n, ts: ts, code: eventCode(digits[i]), dur: uint16(pressMs * 8), end: true})
		}
		at += pressMs + pauseMs
		ts += uint32((pressMs + pauseMs) * 8)
	}
	return out
}

// What a network does to packets: each is lost, doubled or delayed by up to
// 60 ms. No digit may ever come twice, and with at most 5 % lost none may be
// missing.
func TestDigitsOnceUnderLossReorderAndRepetition(t *testing.T) {
	for _, loss := range []float64{0, 0.05, 0.10, 0.20} {
		rng := rand.New(rand.NewPCG(4733, uint64(loss*100)))
		missing, total := 0, 0
		for call := range 400 {
			digits := randomDigits(rng, 12)
			got := receiveThrough(rng, dialled(digits, 100+20*rng.IntN(8), 80+10*rng.IntN(10), rng.Uint32()), loss)
			total += len(digits)
			if !subsequence(got, digits) {
				t.Fatalf("loss %.2f, call %d: %q of %q", loss, call, got, digits)
			}
			missing += len(digits) - len(got)
		}
		if allowed := map[bool]int{true: 0, false: total / 200}[loss <= 0.05]; missing > allowed {
			t.Errorf("loss %.2f: %d of %d digits missing, allowed %d", loss, missing, total, allowed)
		}
	}
}

func randomDigits(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = digitNames[rng.IntN(16)]
	}
	return string(b)
}

// receiveThrough delivers packets through a bad network and returns what the
// receiver has reported; every digit must also have ended once.
func receiveThrough(rng *rand.Rand, packets []eventPacket, loss float64) string {
	arrivals := map[int][]eventPacket{}
	last := 0
	for _, p := range packets {
		for copies := 1 + rng.IntN(10)/9; copies > 0; copies-- {
			if rng.Float64() < loss {
				continue
			}
			at := p.at + rng.IntN(60)
			arrivals[at] = append(arrivals[at], p)
			last = max(last, at)
		}
	}
	var d digitReceiver
	began, ended := "", ""
	take := func(n digitNews) {
		if n.began {
			began += string(n.beganKey)
		}
		if n.ended {
			ended += string(n.endedKey)
		}
	}
	for ms := 0; ms <= last+eventSilence+1; ms++ {
		now := time.UnixMilli(int64(ms))
		take(d.idle(now))
		for _, p := range arrivals[ms] {
			take(d.packet(1, p.ts, 8000, telephoneEvent{p.code, p.end, p.dur}, now))
		}
	}
	if ended != began {
		return "began " + began + " ended " + ended
	}
	return began
}

func subsequence(part, whole string) bool {
	for i := 0; i < len(whole) && part != ""; i++ {
		if part[0] == whole[i] {
			part = part[1:]
		}
	}
	return part == ""
}

func TestParseDigits(t *testing.T) {
	for in, want := range map[string]string{"": "", "12w3": "12w3", "a*#D": "A*#D", "1-2 3W": "123w"} {
		got, err := parseDigits(in)
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for in, code := range map[string]fault.Code{"12x": fault.Invalid, "é": fault.Invalid, strings.Repeat("1", digitLimit+1): fault.Limit} {
		if _, err := parseDigits(in); fault.CodeOf(err) != code {
			t.Errorf("%.10q: %v", in, err)
		}
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte{5, 0x8a, 1, 2}, uint32(7), int64(3))
	f.Add([]byte{4, 10, 0xff, 0xff, 4, 10, 0, 160, 4, 0x8a, 3, 32}, uint32(0xffff), int64(20)) // segments of a long key
	f.Add([]byte{16, 0x8a, 3, 32, 255, 0, 0, 0, 1, 2, 3}, uint32(1<<31), int64(-5))            // a hook flash, no key, cut off
	f.Fuzz(func(t *testing.T, b []byte, ts uint32, at int64) {
		var d digitReceiver
		for i := 0; i+4 <= len(b); i++ {
			ev, ok := parseEvent(b[i:])
			if !ok {
				continue
			}
			n := d.packet(uint32(b[0]&1), ts*uint32(i&3), 8000, ev, time.UnixMilli(at+int64(i)))
			if n.ended && (n.endedKey == 0 || n.durationMs < 0) || n.began && n.beganKey == 0 {
				t.Fatalf("%+v", n)
			}
		}
	})
}

// press sends a digit from the party, one packet every 20 ms from its begin.
func (p *party) press(code uint8, pt uint8) func(ms int) {
	ts := p.ts
	return func(ms int) {
		if ms%20 != 0 {
			return
		}
		i := ms / 20
		switch {
		case i < 5:
			p.sendEvent(pt, ts, telephoneEvent{code, false, uint16((i + 1) * 160)})
		case i < 8:
			p.sendEvent(pt, ts, telephoneEvent{code, true, 800})
		}
		p.ts += audio.FrameSamples
	}
}

func (p *party) sendEvent(pt uint8, ts uint32, ev telephoneEvent) {
	b := []byte{ev.code, eventVolume, byte(ev.duration >> 8), byte(ev.duration)}
	if ev.end {
		b[1] |= 0x80
	}
	p.seq++
	p.sendFrom(p.conn, pt, false, p.seq, ts, b)
}

func TestSessionReportsDigits(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(60*time.Millisecond, nil, p)
	pt := p.s.Negotiated().EventSend.PT
	for _, code := range []uint8{1, 2, 2, 10} {
		st.run(300*time.Millisecond, p.press(code, pt), p)
	}
	if got := p.events.digits(); got != "122*" {
		t.Fatalf("digits %q", got)
	}
	ended := p.events.of(DigitEnded)
	if len(ended) != 4 || ended[0].DurationMs != 100 || ended[3].Digit != '*' {
		t.Fatalf("%+v", ended)
	}
	if n := len(p.events.of(FirstPacket)); n != 1 {
		t.Fatalf("%d first packets", n)
	}
	// Not negotiated, too short or no key: counted and ignored.
	before := st.engine.Stats().Dropped
	p.send(97, false, []byte{1, 0x8a, 0, 160})
	p.send(pt, false, []byte{1, 0x8a, 0})
	p.send(pt, false, []byte{200, 0x8a, 0, 160})
	st.run(300*time.Millisecond, nil, p)
	after := st.engine.Stats().Dropped
	if after[DropPayloadType] != before[DropPayloadType]+1 || after[DropEvent] != before[DropEvent]+2 || p.events.digits() != "122*" {
		t.Fatalf("%v, digits %q", after, p.events.digits())
	}
}

func TestDigitEventsCarryTheTimeOfArrival(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(67*time.Millisecond, nil, p)
	want := st.clk.Now()
	p.sendEvent(p.s.Negotiated().EventSend.PT, p.ts, telephoneEvent{5, true, 160})
	st.run(60*time.Millisecond, nil, p)
	for _, kind := range []EventKind{FirstPacket, DigitBegan, DigitEnded} {
		if e := p.events.of(kind); len(e) != 1 || !e[0].At.Equal(want) {
			t.Fatalf("kind %d: %+v, want at %v", kind, e, want)
		}
	}
}

func TestSendDigitsPausesThePrompt(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	prompt := ramp(200)
	p.s.Play(Playback{Parts: []*sound.Prompt{prompt}})
	st.run(205*time.Millisecond, nil, p)
	if err := p.s.SendDigits("1w2345678901#A"); err != nil {
		t.Fatal(err)
	}
	st.run(8*time.Second, nil, p)
	pt := p.s.Negotiated().EventSend.PT
	var d digitReceiver
	got, heard := "", 0
	var marks int
	for i, h := range p.packets {
		if i > 0 && h.seq != p.packets[i-1].seq+1 {
			t.Fatalf("packet %d: sequence %d after %d", i, h.seq, p.packets[i-1].seq)
		}
		if i > 0 && h.at-p.packets[i-1].at != audio.FrameDuration {
			t.Fatalf("packet %d: %v after the one before", i, h.at-p.packets[i-1].at)
		}
		if h.pt != pt {
			heard++
			continue
		}
		if h.marker {
			marks++
		}
		ev, ok := parseEvent(h.payload)
		if !ok || h.payload[1]&0x3f != eventVolume {
			t.Fatalf("event % x", h.payload)
		}
		if n := d.packet(h.ssrc, h.ts, 8000, ev, time.UnixMilli(h.at.Milliseconds())); n.began {
			got += string(n.beganKey)
		}
	}
	if got != "12345678901#A" || marks != len(got) {
		t.Fatalf("digits %q, %d markers", got, marks)
	}
	if n := len(content(p.packets, codec.PCMA)); n != 200+len(got)*(toneFrames+endRepeats-1) {
		t.Fatalf("%d frames that are no silence: the prompt must be whole", n)
	}
	if n := len(p.events.of(DigitsSent)); n != 1 {
		t.Fatalf("%d DigitsSent", n)
	}
	ended := p.events.of(PlayEnded)
	if len(ended) != 1 || !ended[0].Completed || ended[0].PlayedMs != 4000 {
		t.Fatalf("%+v", ended)
	}
	if p.s.pendingDigits.Load() != 0 {
		t.Fatal("digits still pending")
	}
}

// One digit, packet by packet: RFC 4733 §2.5.1.
func TestSendDigitPackets(t *testing.T) {
	var d digitSender
	d.add(&digitBatch{steps: []byte("5w6")})
	var got []string
	for f := int64(0); f < 60 && d.head != nil; f++ {
		act, marker, done := d.step(f, uint32(f*audio.FrameSamples), 1)
		s := [...]string{".", "P", "_", "T"}[act]
		if act == digitPacket {
			ev, _ := parseEvent(d.payload[:])
			s = fmt.Sprintf("%d@%d:%d", ev.code, d.ts, ev.duration)
			if marker {
				s = "M" + s
			}
			if ev.end {
				s += "E"
			}
		}
		if done {
			s += "!"
		}
		got = append(got, s)
	}
	tone := func(code, ts int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "M%d@%d:160", code, ts)
		for i := 2; i < toneFrames; i++ {
			fmt.Fprintf(&b, " %d@%d:%d", code, ts, i*160)
		}
		for range endRepeats {
			fmt.Fprintf(&b, " %d@%d:1280E", code, ts)
		}
		return b.String()
	}
	want := tone(5, 0) + strings.Repeat(" .", pauseFrames) + " " + tone(6, (toneFrames+endRepeats-1+pauseFrames)*160) + "!"
	if s := strings.Join(got, " "); s != want {
		t.Fatalf("got  %s\nwant %s", s, want)
	}
}

func TestSendDigitsKeepsTheGap(t *testing.T) {
	var d digitSender
	d.add(&digitBatch{steps: []byte("12")})
	var begins []int64
	for f := int64(0); f < 60 && d.head != nil; f++ {
		if _, marker, _ := d.step(f, 0, 1); marker {
			begins = append(begins, f)
		}
	}
	if fmt.Sprint(begins) != fmt.Sprint([]int64{0, toneFrames + gapFrames}) {
		t.Fatalf("begins at %v", begins)
	}
}

func TestSendDigitsInBandWithoutTelephoneEvent(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	offer := "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n"
	if _, err := p.s.Answer(fmt.Appendf(nil, offer, p.conn.Addr().Port())); err != nil {
		t.Fatal(err)
	}
	p.s.Start()
	st.run(40*time.Millisecond, nil, p)
	if err := p.s.SendDigits("12"); err != nil {
		t.Fatal(err)
	}
	st.run(time.Second, nil, p)
	steady(t, p.packets, 0)
	if n := len(content(p.packets, codec.PCMA)); n != 2*toneFrames {
		t.Fatalf("%d frames of tone", n)
	}
	if n := len(p.events.of(DigitsSent)); n != 1 {
		t.Fatalf("%d DigitsSent", n)
	}
}

func TestSendDigitsLimits(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	if err := p.s.SendDigits("1"); fault.CodeOf(err) != fault.Media {
		t.Fatalf("before negotiation: %v", err)
	}
	p.offer(sdp.SendRecv)
	if err := p.s.SendDigits(strings.Repeat("1", digitLimit)); err != nil {
		t.Fatal(err)
	}
	if err := p.s.SendDigits("2"); fault.CodeOf(err) != fault.Limit {
		t.Fatalf("beyond the limit: %v", err)
	}
}
