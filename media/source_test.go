package media

import (
	"bytes"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

func TestSourceRule(t *testing.T) {
	var (
		sdp   = netip.MustParseAddrPort("192.0.2.1:4000")
		nat   = netip.MustParseAddrPort("198.51.100.7:61000")
		nat2  = netip.MustParseAddrPort("198.51.100.7:61002")
		third = netip.MustParseAddrPort("203.0.113.9:4000")
	)
	type step struct {
		from netip.AddrPort
		at   int
		seq  uint16
		want verdict
	}
	const F, L, G, P = sourceForeign, sourceLearning, sourceGood, sourcePinned
	tests := []struct {
		name      string
		symmetric bool
		steps     []step
		current   netip.AddrPort
	}{
		{"only the described address", false, []step{{sdp, 0, 1, G}, {third, 1, 2, F}, {nat, 2, 3, F}, {sdp, 3, 2, G}}, sdp},
		{"another port of the described host", false, []step{{netip.MustParseAddrPort("192.0.2.1:4002"), 0, 1, F}}, sdp},
		{"learned after four in sequence over 60 ms", true, []step{{nat, 0, 1, L}, {nat, 20, 2, L}, {nat, 40, 3, L}, {nat, 60, 4, P}, {nat, 80, 5, G}, {nat2, 90, 6, F}, {sdp, 95, 7, F}, {third, 99, 1, F}}, nat},
		{"four at once are not enough", true, []step{{nat, 0, 1, L}, {nat, 1, 2, L}, {nat, 2, 3, L}, {nat, 3, 4, L}, {nat, 59, 5, L}, {nat, 60, 6, P}}, nat},
		{"out of sequence begins anew", true, []step{{nat, 0, 1, L}, {nat, 20, 2, L}, {nat, 40, 4, L}, {nat, 60, 5, L}, {nat, 80, 6, L}, {nat, 100, 7, P}}, nat},
		{"two candidates disturb each other", true, []step{{nat, 0, 1, L}, {nat2, 10, 1, L}, {nat, 20, 2, L}, {nat2, 30, 2, L}, {nat, 80, 3, L}}, sdp},
		{"the described address ends the learning", true, []step{{nat, 0, 1, L}, {nat, 20, 2, L}, {sdp, 30, 1, P}, {nat, 40, 3, F}, {nat, 60, 4, F}, {nat, 80, 5, F}}, sdp},
		{"a NAT that gives the silent stream another port", true, []step{{nat, 0, 1, L}, {nat, 20, 2, L}, {nat, 40, 3, L}, {nat, 60, 4, P}, {nat, 80, 5, G}, {nat2, 279, 9, F}, {nat2, 280, 10, L}, {third, 290, 10, F}, {nat2, 300, 11, L}, {nat2, 320, 12, L}, {nat2, 340, 13, P}, {nat, 360, 14, F}, {nat2, 380, 14, G}}, nat2},
		{"another stream from that host", true, []step{{nat, 0, 100, L}, {nat, 20, 101, L}, {nat, 40, 102, L}, {nat, 60, 103, P}, {nat2, 400, 103, F}, {nat2, 420, 90, F}, {nat2, 440, 1700, F}, {nat, 460, 104, G}}, nat},
		{"the learned source comes back in time", true, []step{{nat, 0, 1, L}, {nat, 20, 2, L}, {nat, 40, 3, L}, {nat, 60, 4, P}, {nat2, 280, 5, L}, {nat2, 300, 6, L}, {nat, 310, 5, G}, {nat2, 320, 7, F}, {nat2, 340, 8, F}}, nat},
		{"what is described stays", true, []step{{sdp, 0, 1, P}, {nat, 300, 2, F}, {nat, 320, 3, F}, {nat, 340, 4, F}, {nat, 360, 5, F}}, sdp},
		{"a third address is never learned", true, []step{{third, 0, 1, F}, {third, 20, 2, F}, {third, 40, 3, F}, {third, 60, 4, F}, {third, 80, 5, F}}, sdp},
	}
	for _, tt := range tests {
		var x rtpSource
		var symmetric netip.Addr
		if tt.symmetric {
			symmetric = nat.Addr()
		}
		x.describe(sdp, symmetric)
		for i, s := range tt.steps {
			p := packet{seq: s.seq, ssrc: 9}
			if got := x.judge(s.from, &p, time.UnixMilli(int64(s.at))); got != s.want {
				t.Errorf("%s: step %d: %d, want %d", tt.name, i, got, s.want)
			}
		}
		if x.current != tt.current {
			t.Errorf("%s: sends to %v, want %v", tt.name, x.current, tt.current)
		}
		if x.describe(sdp, symmetric) || x.current != tt.current {
			t.Errorf("%s: the same address again must change nothing", tt.name)
		}
		if !x.describe(third, symmetric) || x.current != third {
			t.Errorf("%s: another address must be taken", tt.name)
		}
	}
}

// A third address sends a thousand packets before, with and after the first
// good one: nothing of it is heard, recorded or answered, and no timer is
// touched.
func TestInjectionIsNeitherHeardNorRecorded(t *testing.T) {
	for _, attacked := range []struct {
		symmetric, wrongSource bool
		every                  int // ms between two packets
	}{{false, false, 1}, {true, false, 1}, {true, true, 1}, {false, true, 20}, {true, false, 20}, {true, true, 20}} {
		symmetric := attacked.symmetric
		st := newStudio(t, 1)
		a := st.leg(func(o *SessionOptions) {
			o.MediaTimeout = 300 * time.Millisecond
			if symmetric {
				o.Symmetric = netip.MustParseAddr("10.0.0.9")
			}
		})
		b := st.leg(nil)
		a.s.Bridge(b.s)
		file := tempFile(t)
		a.s.Record(NewRecorder(file, RecorderOptions{}))
		conn, err := st.fabric.Listen(netip.MustParseAddrPort("10.0.0.66:7000"))
		if err != nil {
			t.Fatal(err)
		}
		evil := bytes.Repeat([]byte{0x2a}, audio.FrameSamples)
		seq := uint16(0)
		attack := func(ms int) {
			if ms%attacked.every != 0 {
				return
			}
			seq++
			if own := a.ssrc; attacked.wrongSource {
				a.ssrc = 0xbad
				defer func() { a.ssrc = own }()
			} else {
				seq = a.seq + 1 // in the middle of the caller's own
			}
			a.sendFrom(conn, codec.PCMA.PT, false, seq, uint32(seq)*audio.FrameSamples, evil)
			a.sendFrom(conn, a.s.Negotiated().EventSend.PT, false, seq, uint32(seq), []byte{9, 0x8a, 3, 32})
		}
		said := [][]byte{}
		n := 0
		talk := func(ms int) {
			if ms%20 == 5 {
				said = append(said, voice(n))
				a.say(voice(n))
				n++
			}
		}
		st.run(200*time.Millisecond, attack, a, b)
		st.run(300*time.Millisecond, both(attack, talk), a, b)
		st.run(time.Second, attack, a, b)
		for _, h := range b.packets {
			if bytes.Equal(h.payload, evil) {
				t.Fatal("heard")
			}
		}
		var buf [codec.MaxPacket]byte
		if _, _, got := conn.Receive(buf[:]); got {
			t.Fatal("answered")
		}
		if a.events.digits() != "" {
			t.Fatalf("digits %q", a.events.digits())
		}
		if lost := a.events.of(MediaLost); len(lost) != 1 {
			t.Fatalf("the attacker's packets count as media: %+v", lost)
		}
		a.s.StopRecord()
		st.run(100*time.Millisecond, nil, a, b)
		pcm := readWAV(t, file, 1)
		var one [audio.FrameSamples]int16
		codec.PCMA.Decode(one[:], evil)
		for i := range len(pcm) - 4 {
			if pcm[i] == one[0] && pcm[i+1] == one[0] && pcm[i+2] == one[0] && pcm[i+3] == one[0] {
				t.Fatal("recorded")
			}
		}
		if !holds(pcm, said) {
			t.Fatal("what was said is not in the recording")
		}
	}
}

// holds reports whether the decoded frames stand in pcm one after the other.
func holds(pcm []int16, frames [][]byte) bool {
	want := make([]int16, 0, len(frames)*audio.FrameSamples)
	for _, f := range frames {
		var one [audio.FrameSamples]int16
		codec.PCMA.Decode(one[:], f)
		want = append(want, one[:]...)
	}
	for at := 0; at+len(want) <= len(pcm); at++ {
		i := 0
		for i < len(want) && pcm[at+i] == want[i] {
			i++
		}
		if i == len(want) {
			return true
		}
	}
	return false
}

func TestLearnedSourceIsSentTo(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(func(o *SessionOptions) { o.Symmetric = netip.MustParseAddr("10.0.0.77") })
	outside, err := st.fabric.Listen(netip.MustParseAddrPort("10.0.0.77:9000"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		p.seq++
		p.sendFrom(outside, codec.PCMA.PT, false, p.seq, p.ts, voice(i))
		p.ts += audio.FrameSamples
		st.run(20*time.Millisecond, nil, p)
	}
	n := len(p.packets)
	st.run(200*time.Millisecond, nil, p)
	if len(p.packets) != n {
		t.Fatal("still sent to the described address")
	}
	var buf [codec.MaxPacket]byte
	if _, _, ok := outside.Receive(buf[:]); !ok {
		t.Fatal("nothing sent to the learned address")
	}
	if s := p.s.Stats(); s.Received != 7 || s.Dropped != 3 {
		t.Fatalf("%+v", s)
	}
}

// A re-INVITE moves the media: the new address hears us within 100 ms and the
// old one is not heard any more.
func TestReinviteMovesTheMedia(t *testing.T) {
	st := newStudio(t, 1)
	p, q := st.leg(nil), st.open(nil)
	st.run(200*time.Millisecond, p.talk(1), p)
	p.local.Port = q.conn.Addr().Port()
	p.offer(sdp.SendRecv)
	received := p.s.Stats().Received
	st.run(100*time.Millisecond, p.talk(1), p, q)
	if len(q.packets) < 3 {
		t.Fatalf("%d packets at the new address", len(q.packets))
	}
	if got := p.s.Stats().Received; got > received+1 {
		t.Fatal("the old source is still heard")
	}
	all := append(append([]heard(nil), p.packets...), q.packets...)
	steady(t, all, 0)
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.wav")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

var p2 = netip.MustParseAddrPort("10.0.0.55:5000")
