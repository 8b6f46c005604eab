package media

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/loopstart/loopstart/media/audio"
)

func TestParseRTP(t *testing.T) {
	var h [rtpHeader]byte
	putRTP(&h, true, 101, 7, 8, 9)
	plain := append(h[:], 1, 2, 3, 4)
	change := func(f func(b []byte) []byte) []byte { return f(append([]byte(nil), plain...)) }
	tests := []struct {
		name    string
		in      []byte
		ok      bool
		payload string
	}{
		{"plain", plain, true, "\x01\x02\x03\x04"},
		{"empty payload", h[:], true, ""},
		{"short", plain[:11], false, ""},
		{"none", nil, false, ""},
		{"version 1", change(func(b []byte) []byte { b[0] = 0x40; return b }), false, ""},
		{"STUN", change(func(b []byte) []byte { b[0] = 0; return b }), false, ""},
		{"one source", change(func(b []byte) []byte { b[0] |= 1; return b }), true, ""},
		{"sources beyond the end", change(func(b []byte) []byte { b[0] |= 2; return b }), false, ""},
		{"padding", change(func(b []byte) []byte { b[0] |= 0x20; b[15] = 2; return b }), true, "\x01\x02"},
		{"padding of nothing", change(func(b []byte) []byte { b[0] |= 0x20; b[15] = 0; return b }), false, ""},
		{"padding beyond the start", change(func(b []byte) []byte { b[0] |= 0x20; b[15] = 200; return b }), false, ""},
		{"extension", change(func(b []byte) []byte { b[0] |= 0x10; return append(b[:12], 0, 1, 0, 1, 9, 9, 9, 9, 5) }), true, "\x05"},
		{"extension beyond the end", change(func(b []byte) []byte { b[0] |= 0x10; return append(b[:12], 0, 1, 0xff, 0xff, 9) }), false, ""},
		{"extension cut", change(func(b []byte) []byte { b[0] |= 0x10; return b[:14] }), false, ""},
	}
	for _, tt := range tests {
		var p packet
		if ok := parseRTP(tt.in, &p, new(rtp.Header)); ok != tt.ok || ok && string(p.payload) != tt.payload {
			t.Errorf("%s: %v, payload %q", tt.name, ok, p.payload)
		}
		if tt.name == "plain" && (!p.marker || p.pt != 101 || p.seq != 7 || p.ts != 8 || p.ssrc != 9) {
			t.Errorf("%+v", p)
		}
	}
}

func FuzzRTP(f *testing.F) {
	var h [rtpHeader]byte
	putRTP(&h, false, 8, 1, 2, 3)
	f.Add(append(h[:], 1, 2))
	f.Add([]byte{0xb1, 0x88, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0xbe, 0xde, 0, 1, 0x10, 9, 0, 0, 7, 7, 0, 2}) // a source, an extension, padding
	f.Add([]byte{0x9f, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3})                                                             // sources beyond the end
	f.Add([]byte{0xa0, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 255})                                                        // padding before the start
	f.Fuzz(func(t *testing.T, b []byte) {
		var p packet
		if parseRTP(b, &p, new(rtp.Header)) && len(p.payload) > len(b)-rtpHeader {
			t.Fatalf("%d bytes of %d", len(p.payload), len(b))
		}
	})
}

func TestReceiveStats(t *testing.T) {
	var st receiveStats
	take := func(want arrival, seqs ...uint16) {
		t.Helper()
		for _, s := range seqs {
			if got := st.seen(1, s); got != want {
				t.Fatalf("%d: %d, want %d", s, got, want)
			}
		}
	}
	take(arrivalRestart, 65530)
	take(arrivalNext, 65531, 65533, 65535, 2)
	take(arrivalLate, 65532, 65534)
	take(arrivalDuplicate, 65532, 2, 65530)
	if st.expected() != 9 || st.missing() != 2 { // 0 and 1
		t.Fatalf("expected %d, missing %d", st.expected(), st.missing())
	}
	take(arrivalNext, 80) // more than the window
	take(arrivalDuplicate, 2)
	take(arrivalLate, 79)
	missing := st.missing()
	take(arrivalDuplicate, 40000) // a jump is believed when the next one follows
	take(arrivalDuplicate, 50000)
	take(arrivalRestart, 50001)
	if st.lost != uint64(missing) || st.missing() != 0 {
		t.Fatalf("lost %d, want %d", st.lost, missing)
	}
	if st.seen(2, 9) != arrivalRestart || st.ssrc != 2 {
		t.Fatal("another source")
	}
}

func TestFractionLost(t *testing.T) {
	var st receiveStats
	for s := range uint16(100) {
		if s%4 != 1 {
			st.seen(1, s)
		}
	}
	if f := st.fraction(); f < 63 || f > 65 {
		t.Fatalf("%d/256 of 25 %%", f)
	}
	for s := uint16(100); s < 200; s++ {
		st.seen(1, s)
	}
	if f := st.fraction(); f != 0 {
		t.Fatalf("%d/256 of nothing", f)
	}
}

// The jitter of packets that are displaced by ±d in turn is 2d in the limit.
func TestJitter(t *testing.T) {
	var st receiveStats
	for i := range 500 {
		at := time.Duration(i)*audio.FrameDuration + time.Duration(i%2)*5*time.Millisecond
		st.timing(uint32(1<<32-1000+i*audio.FrameSamples), at)
	}
	if ms := st.jitter / 8; math.Abs(ms-5) > 0.2 {
		t.Fatalf("%.2f ms", ms)
	}
}

func TestQuantile(t *testing.T) {
	var b [latenessBuckets]uint64
	if quantile(b, 0.99) != 0 {
		t.Fatal("of nothing")
	}
	b[0], b[2] = 990, 10
	if q := quantile(b, 0.99); q != time.Millisecond {
		t.Fatal(q)
	}
	b[2]++
	if q := quantile(b, 0.99); q != 5*time.Millisecond {
		t.Fatal(q)
	}
	b[latenessBuckets-1] = 1000
	if q := quantile(b, 0.99); q != 100*time.Millisecond {
		t.Fatal(q)
	}
}
