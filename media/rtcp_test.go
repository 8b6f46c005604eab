package media

import (
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// link connects two sessions of one engine.
func link(t testing.TB, a, b *Session) {
	t.Helper()
	answer, err := b.Answer(a.Offer())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Accept(answer); err != nil {
		t.Fatal(err)
	}
}

func TestReportsTellLossAndRoundTrip(t *testing.T) {
	st := newStudio(t, 1)
	a, err := st.engine.Open(SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := st.engine.Open(SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	link(t, a, b)
	n := 0
	st.fabric.Lose = func(from, _ netip.AddrPort, _ []byte) bool {
		if from != a.LocalAddr() {
			return false
		}
		n++
		return n%10 == 3
	}
	a.Start()
	b.Start()
	st.clk.Advance(20 * time.Second)
	sa, sb := a.Stats(), b.Stats()
	if share := float64(sb.Lost) / float64(sb.Lost+sb.Received); math.Abs(share-0.1) > 0.01 {
		t.Fatalf("b: %+v", sb)
	}
	if math.Abs(sa.RemoteLoss-0.1) > 0.02 || sa.RemoteLost == 0 || sb.RemoteLoss != 0 {
		t.Fatalf("a: %+v", sa)
	}
	if sa.RTTMs < 0 || sa.RTTMs > 1 || sb.MOS >= sa.MOS || sa.MOS < 4.3 {
		t.Fatalf("a: %+v, b: %+v", sa, sb)
	}
	if sa.Sent < 990 || sa.Received < 990 {
		t.Fatalf("a: %+v", sa)
	}
}

// What we send is what an independent implementation reads.
func TestReportsAreWellFormed(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(200*time.Millisecond, p.talk(1), p)
	l := &p.s.leg
	l.rtcp.haveSR, l.rtcp.lastSR = true, 0x01020304
	b := l.appendReports(nil, st.clk.Now(), st.clk.Now().Sub(st.engine.base), true)
	packets, err := rtcp.Unmarshal(b)
	if err != nil || len(packets) != 3 {
		t.Fatalf("%v %v", packets, err)
	}
	sr, ok := packets[0].(*rtcp.SenderReport)
	if !ok || sr.SSRC != l.send.ssrc || sr.PacketCount != l.send.packets || sr.OctetCount != 160*sr.PacketCount || len(sr.Reports) != 1 {
		t.Fatalf("%+v", packets[0])
	}
	if r := sr.Reports[0]; r.SSRC != p.ssrc || uint16(r.LastSequenceNumber) != p.seq || r.LastSenderReport != 0x01020304 {
		t.Fatalf("%+v", r)
	}
	if unix := int64(sr.NTPTime>>32) - ntpUnixOffset; unix != st.clk.Now().Unix() {
		t.Fatalf("NTP second %d", unix)
	}
	if err := rtcp.CompoundPacket(packets[:2]).Validate(); err != nil {
		t.Fatal(err)
	}
	// Nothing sent since: a receiver report.
	if packets, err = rtcp.Unmarshal(l.appendReports(nil, st.clk.Now(), 0, false)); err != nil {
		t.Fatal(err)
	}
	if _, ok := packets[0].(*rtcp.ReceiverReport); !ok {
		t.Fatalf("%T", packets[0])
	}
}

func TestReadReportComputesRoundTrip(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(40*time.Millisecond, nil, p)
	l := &p.s.leg
	now := st.clk.Now()
	rr := rtcp.ReceiverReport{SSRC: 5, Reports: []rtcp.ReceptionReport{
		{SSRC: 1, FractionLost: 255},
		{SSRC: l.send.ssrc, FractionLost: 64, TotalLost: 12, Jitter: 80, LastSenderReport: uint32(ntp(now.Add(-150*time.Millisecond)) >> 16), Delay: 65536 / 20},
	}}
	b, err := rr.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !eachReport(b, func(pt byte, body []byte, blocks int) { l.readReport(pt, body, blocks, now, 0) }) {
		t.Fatal("not read")
	}
	s := p.s.Stats()
	if math.Abs(s.RTTMs-100) > 0.1 || s.RemoteLost != 12 || s.RemoteLoss != 0.25 || s.RemoteJitterMs != 10 {
		t.Fatalf("%+v", s)
	}
}

func TestReportsOfOthersAreDropped(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(40*time.Millisecond, nil, p)
	conn, err := st.fabric.Listen(netip.MustParseAddrPort("10.0.0.66:7001"))
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(p.s.LocalAddr().Addr(), p.s.LocalAddr().Port()+1)
	conn.Send(to, []byte{0x80, rtcpRR, 0, 1, 0, 0, 0, 1})
	p.conn.Send(to, []byte{0x80, rtcpRR, 0, 9, 0, 0, 0, 1})
	st.run(1100*time.Millisecond, nil, p)
	if d := st.engine.Stats().Dropped; d[DropSource] != 1 || d[DropMalformed] != 1 {
		t.Fatalf("%v", d)
	}
}

func FuzzRTCP(f *testing.F) {
	f.Add([]byte{0x81, rtcpSR, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x9f, rtcpRR, 0, 1, 0, 0, 0, 1})
	f.Add([]byte{0x80, rtcpRR, 0, 1, 0, 0, 0, 1, 0x81, rtcpSDES, 0, 2, 0, 0, 0, 1, 1, 1, 'a', 0, 0x81, rtcpBYE, 0, 1, 0, 0, 0, 1})
	f.Add([]byte{0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0}) // an extended report, RFC 3611
	f.Add([]byte{0x80, rtcpSR, 0xff, 0xff, 0, 0, 0, 1})                            // longer than it is
	f.Fuzz(func(t *testing.T, b []byte) {
		l := &leg{s: &Session{}}
		if len(b) > 8 {
			l.send.ssrc = binary.BigEndian.Uint32(b[4:])
		}
		eachReport(b, func(pt byte, body []byte, blocks int) { l.readReport(pt, body, blocks, time.Unix(1, 0), 0) })
		if rtt := l.s.counters.rtt.Load(); rtt < 0 {
			t.Fatal(rtt)
		}
	})
}
