package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/media/srtp"
)

// TestRoamingRule: a phone whose IP address changes in the middle of a call, and
// those who would like to be it.
func TestRoamingRule(t *testing.T) {
	var (
		sdp    = netip.MustParseAddrPort("192.0.2.1:4000")
		wifi   = netip.MustParseAddrPort("198.51.100.7:61000")
		mobile = netip.MustParseAddrPort("203.0.113.9:4000")
		other  = netip.MustParseAddrPort("203.0.113.9:4002")
		evil   = netip.MustParseAddrPort("192.0.2.66:4000")
	)
	const mine, guessed = 9, 10
	type step struct {
		from netip.AddrPort
		at   int
		seq  uint16
		ssrc uint32
		want verdict
	}
	const F, L, G, P = sourceForeign, sourceLearning, sourceGood, sourcePinned
	learnt := []step{{wifi, 0, 1, mine, L}, {wifi, 20, 2, mine, L}, {wifi, 40, 3, mine, L}, {wifi, 60, 4, mine, P}, {wifi, 80, 5, mine, G}}
	direct := []step{{sdp, 0, 1, mine, P}, {sdp, 80, 5, mine, G}}
	goes := func(to netip.AddrPort, at int) []step {
		return []step{{to, at, 10, mine, L}, {to, at + 20, 11, mine, L}, {to, at + 40, 12, mine, L}, {to, at + 60, 13, mine, P}, {to, at + 80, 14, mine, G}}
	}
	never := func(from netip.AddrPort, at int, seq uint16, ssrc uint32) (list []step) {
		for i := range 8 {
			list = append(list, step{from, at + 20*i, seq + uint16(i), ssrc, F})
		}
		return list
	}
	for _, tt := range []struct {
		name         string
		nobody       bool // no address may be learned
		sealed, roam bool
		steps        [][]step
		current      netip.AddrPort
	}{
		{"it registers from there", false, false, true, [][]step{learnt, goes(mobile, 600), never(wifi, 700, 15, mine)}, mobile},
		{"one that was reached as described", false, false, true, [][]step{direct, goes(mobile, 600), never(sdp, 700, 15, mine)}, mobile},
		{"its packets are authentic", false, true, false, [][]step{learnt, goes(mobile, 600)}, mobile},
		{"and back again", false, true, false, [][]step{direct, goes(mobile, 600), {{sdp, 1200, 20, mine, L}, {sdp, 1220, 21, mine, L}, {sdp, 1240, 22, mine, L}, {sdp, 1260, 23, mine, P}, {sdp, 1280, 24, mine, G}}}, sdp},
		{"its mobile NAT gives it another port", false, false, true, [][]step{learnt, goes(mobile, 600), {{other, 900, 15, mine, L}, {other, 920, 16, mine, L}, {other, 940, 17, mine, L}, {other, 960, 18, mine, P}}}, other},
		{"nobody has proved anything", false, false, false, [][]step{learnt, never(mobile, 600, 10, mine)}, wifi},
		{"somebody who reads the stream, from elsewhere", false, false, true, [][]step{learnt, never(evil, 600, 10, mine)}, wifi},
		{"it is not silent where it was", false, false, true, [][]step{learnt, never(mobile, 400, 10, mine)}, wifi},
		{"a guessed SSRC from there", false, false, true, [][]step{learnt, never(mobile, 600, 10, guessed)}, wifi},
		{"old numbers from there", false, false, true, [][]step{learnt, never(mobile, 600, 65000, mine)}, wifi},
		{"numbers too far ahead from there", false, false, true, [][]step{learnt, never(mobile, 600, 5+remapAhead+1, mine)}, wifi},
		{"it speaks again in time", false, true, true, [][]step{learnt, {{mobile, 600, 10, mine, L}, {mobile, 620, 11, mine, L}, {wifi, 630, 6, mine, G}}, never(mobile, 640, 12, mine)}, wifi},
		{"an authentic stream of another kind", false, true, true, [][]step{learnt, never(mobile, 600, 10, guessed)}, wifi},
		{"no address may be learned at all", true, true, true, [][]step{{{sdp, 0, 1, mine, G}}, never(mobile, 600, 10, mine)}, sdp},
	} {
		var x rtpSource
		x.sealed = tt.sealed
		symmetric := wifi.Addr()
		if tt.nobody {
			symmetric = netip.Addr{}
		}
		x.describe(sdp, symmetric)
		if tt.roam {
			x.roam = mobile.Addr()
		}
		n := 0
		for _, part := range tt.steps {
			for _, s := range part {
				p := packet{seq: s.seq, ssrc: s.ssrc}
				if got := x.judge(s.from, &p, time.UnixMilli(int64(s.at))); got != s.want {
					t.Errorf("%s: step %d: %d, want %d", tt.name, n, got, s.want)
				}
				n++
			}
		}
		if x.current != tt.current {
			t.Errorf("%s: sends to %v, want %v", tt.name, x.current, tt.current)
		}
	}
}

// moving are two sessions of which a changes its address without a word; b may
// learn where a is.
func moving(t *testing.T, how srtp.Policy) (st *studio, p *pair) {
	t.Helper()
	st = newStudio(t, 1)
	p = &pair{heardA: &diary{}, heardB: &diary{}}
	var err error
	p.a, err = st.engine.Open(SessionOptions{SRTP: how, Sink: p.heardA.note, Codecs: []*codec.Codec{codec.PCMA}})
	mediatest.Must(t, err)
	p.b, err = st.engine.Open(SessionOptions{SRTP: how, Sink: p.heardB.note, Codecs: []*codec.Codec{codec.PCMA}, Symmetric: p.a.LocalAddr().Addr()})
	mediatest.Must(t, err)
	p.exchange(st, sdp.SendRecv)
	p.a.Start()
	p.b.Start()
	p.talks(st, "at home")
	return st, p
}

// TestAPhoneThatRoams: with SRTP its stream is proof enough, without it the phone
// has to prove itself by SIP from its new address.
func TestAPhoneThatRoams(t *testing.T) {
	mobile := netip.MustParseAddr("10.0.0.77")
	leave := func(st *studio, p *pair) {
		t.Helper()
		mediatest.Must(t, p.a.Move(mobile, mobile))
		st.run(2*time.Second, nil)
	}
	t.Run("encrypted", func(t *testing.T) {
		st, p := moving(t, srtp.Required)
		p.a.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
		st.run(200*time.Millisecond, nil)
		leave(st, p)
		p.a.StopPlay()
		p.talks(st, "elsewhere")
	})
	t.Run("plain, registered from there", func(t *testing.T) {
		st, p := moving(t, srtp.Off)
		p.a.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
		st.run(200*time.Millisecond, nil)
		p.b.Roam(p.b.opts.Symmetric) // where it was already
		p.b.Roam(mobile)
		leave(st, p)
		p.a.StopPlay()
		p.talks(st, "elsewhere")
	})
	t.Run("plain, from nowhere known", func(t *testing.T) {
		st, p := moving(t, srtp.Off)
		p.a.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
		st.run(200*time.Millisecond, nil)
		p.b.Roam(netip.MustParseAddr("10.0.0.78"))
		was := p.b.Stats().Received
		leave(st, p)
		if got := p.b.Stats().Received; got > was+20 {
			t.Errorf("%d packets taken", got-was)
		}
		p.b.Close()
		p.b.Roam(mobile) // nothing
	})
}

// TestReplayedPacketsMoveNothing: who has recorded an encrypted stream and sends
// it again from his own address, while the phone is silent.
func TestReplayedPacketsMoveNothing(t *testing.T) {
	now := time.UnixMilli(0)
	var x rtpSource
	x.sealed = true
	home := netip.MustParseAddrPort("198.51.100.7:61000")
	x.describe(home, home.Addr())
	p := packet{seq: 1, ssrc: 9}
	x.judge(home, &p, now)
	later := now.Add(time.Second)
	replay := []byte{0x80, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}
	evil := netip.MustParseAddrPort("192.0.2.66:4000")
	if !x.foreign(evil, replay, later) {
		t.Error("an old number costs cryptography")
	}
	replay[3] = 2
	if x.foreign(evil, replay, later) {
		t.Error("the next number is not looked at")
	}
	if x.foreign(home, replay, later) || !x.foreign(evil, replay[:11], later) || !x.foreign(evil, replay, now) {
		t.Error("foreign")
	}
}
