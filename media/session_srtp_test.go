package media

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/media/srtp"
)

// pair are two sessions that talk to each other, as two engines would.
type pair struct {
	a, b           *Session
	heardA, heardB *diary
}

func (st *studio) secured(a, b srtp.Policy) *pair {
	st.t.Helper()
	p := &pair{heardA: &diary{}, heardB: &diary{}}
	var err error
	for _, x := range []struct {
		to  **Session
		how srtp.Policy
		d   *diary
	}{{&p.a, a, p.heardA}, {&p.b, b, p.heardB}} {
		if *x.to, err = st.engine.Open(SessionOptions{SRTP: x.how, Sink: x.d.note, Voice: 300 * time.Millisecond, Codecs: []*codec.Codec{codec.PCMA}}); err != nil {
			st.t.Fatal(err)
		}
	}
	p.exchange(st, sdp.SendRecv)
	p.a.Start()
	p.b.Start()
	return p
}

// exchange is an offer of a and the answer of b.
func (p *pair) exchange(st *studio, dir sdp.Direction) (offer, answer []byte) {
	st.t.Helper()
	offer = p.a.Reoffer(dir)
	answer, err := p.b.Answer(offer)
	if err == nil {
		err = p.a.Accept(answer)
	}
	if err != nil {
		st.t.Fatal(err)
	}
	return offer, answer
}

// talks checks that a key pressed on each side arrives at the other.
func (p *pair) talks(st *studio, what string) {
	st.t.Helper()
	da, db := p.heardA.digits(), p.heardB.digits()
	mustSend(st, p.a, "5")
	mustSend(st, p.b, "7")
	st.run(400*time.Millisecond, nil)
	if a, b := p.heardA.digits(), p.heardB.digits(); a != da+"7" || b != db+"5" {
		st.t.Errorf("%s: a heard %q after %q, b %q after %q", what, a, da, b, db)
	}
}

func mustSend(st *studio, s *Session, digits string) {
	st.t.Helper()
	if err := s.SendDigits(digits); err != nil {
		st.t.Fatal(err)
	}
}

// cryptoOf are the a=crypto lines of a description.
func cryptoOf(body []byte) string {
	var out []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "a=crypto:") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n")
}

func TestSecuredSessions(t *testing.T) {
	st := newStudio(t, 1)
	p := st.secured(srtp.Required, srtp.Optional)
	st.run(200*time.Millisecond, nil)
	p.talks(st, "at first")
	if a, b := p.a.Negotiated().Suite, p.b.Negotiated().Suite; a != "AEAD_AES_256_GCM" || b != a {
		t.Errorf("suites %q and %q", a, b)
	}

	// A refresh, hold and resume keep the keys and the contexts.
	open, first := p.a.opener, ""
	for _, dir := range []sdp.Direction{sdp.SendRecv, sdp.SendOnly, sdp.SendRecv, sdp.Inactive, sdp.SendRecv} {
		offer, answer := p.exchange(st, dir)
		both := cryptoOf(offer) + cryptoOf(answer)
		if first == "" {
			first = both
		}
		if both != first || strings.Count(both, "a=crypto") != 2 {
			t.Errorf("%s: keys change: %s, were %s", dir, both, first)
		}
		st.run(300*time.Millisecond, nil)
	}
	if p.a.opener != open {
		t.Error("the context was made anew")
	}
	p.talks(st, "after hold and refresh")

	// The same answer a second time, as 183 and 200 have it.
	answer, err := p.b.Answer(p.a.Reoffer(sdp.SendRecv))
	mediatest.Must(t, err)
	mediatest.Must(t, p.a.Accept(answer))
	mediatest.Must(t, p.a.Accept(answer))
	p.talks(st, "after an answer that came twice")
	if n := st.engine.Stats().Dropped[DropCrypto]; n != 0 {
		t.Errorf("%d dropped", n)
	}
	// Reports go both ways as SRTCP.
	st.run(12*time.Second, nil)
	if n := st.engine.Stats().Dropped[DropCrypto]; n != 0 || p.a.Stats().RTTMs < 0 || p.a.rtcpHeard() == 0 {
		t.Errorf("%d dropped, reports %d", n, p.a.rtcpHeard())
	}
}

// rtcpHeard reports whether a sender report of the peer was read.
func (s *Session) rtcpHeard() int {
	if s.leg.rtcp.haveSR {
		return 1
	}
	return 0
}

// The peer begins with a new key in a re-INVITE.
func TestRekeying(t *testing.T) {
	st := newStudio(t, 1)
	p := st.secured(srtp.Optional, srtp.Optional)
	st.run(200*time.Millisecond, nil)
	p.talks(st, "at first")
	was := p.b.opener
	p.a.local.Keys.Keep(nil) // a new key, as some peers have it with every offer
	p.exchange(st, sdp.SendRecv)
	st.run(100*time.Millisecond, nil)
	if p.b.opener == was {
		t.Fatal("the key has not changed")
	}
	p.talks(st, "with a new key")
	if n := st.engine.Stats().Dropped[DropCrypto]; n != 0 {
		t.Errorf("%d packets were lost at the change", n)
	}
}

// SecurityRequired never sends a plain packet, whatever the other side tries.
func TestRefusingDowngrade(t *testing.T) {
	st := newStudio(t, 1)
	p := st.secured(srtp.Required, srtp.Optional)
	st.run(200*time.Millisecond, nil)
	bare := sdp.BuildOffer(sdp.Local{Addr: p.b.LocalAddr().Addr(), Port: p.b.LocalAddr().Port(), Codecs: []*codec.Codec{codec.PCMA}})
	if _, err := p.a.Answer(bare); err == nil || !strings.Contains(err.Error(), "refusing downgrade") {
		t.Errorf("a re-INVITE without keys: %v", err)
	}
	p.a.Reoffer(sdp.SendRecv)
	if err := p.a.Accept(bare); err == nil || !strings.Contains(err.Error(), "refusing downgrade") {
		t.Errorf("an answer without keys: %v", err)
	}
	p.talks(st, "afterwards")

	// Before there are keys nothing is sent at all.
	s, err := st.engine.Open(SessionOptions{SRTP: srtp.Required, Codecs: []*codec.Codec{codec.PCMA}})
	mediatest.Must(t, err)
	s.Offer()
	if err := s.Accept(bare); err == nil {
		t.Error("a plain answer is taken")
	}
	s.Start()
	st.run(200*time.Millisecond, nil)
	if n := s.Stats().Sent; n != 0 {
		t.Errorf("%d packets without keys", n)
	}
}

// optional follows a peer that drops encryption, and begins anew with a fresh
// key when it comes back.
func TestOptionalGoesBothWays(t *testing.T) {
	st := newStudio(t, 1)
	p := st.secured(srtp.Optional, srtp.Optional)
	st.run(100*time.Millisecond, nil)
	key := string(p.b.local.Keys.Of(srtp.Offered()[0]).Material)
	p.a.local.SRTP = srtp.Off
	p.exchange(st, sdp.SendRecv)
	if p.a.Negotiated().Suite+p.b.Negotiated().Suite != "" {
		t.Fatal("still encrypted")
	}
	p.talks(st, "plain")
	p.a.local.SRTP = srtp.Required
	p.exchange(st, sdp.SendRecv)
	if p.b.Negotiated().Suite == "" || string(p.b.local.Keys.Of(srtp.Offered()[0]).Material) == key {
		t.Fatal("not encrypted, or with the key of before")
	}
	p.talks(st, "encrypted again")
}

// Bridges between different keys, and between encrypted and plain.
func TestBridgedSecurity(t *testing.T) {
	for _, kinds := range [][2]srtp.Policy{{srtp.Required, srtp.Required}, {srtp.Required, srtp.Off}, {srtp.Off, srtp.Required}} {
		t.Run(fmt.Sprint(kinds), func(t *testing.T) {
			st := newStudio(t, 1)
			left, right := st.secured(kinds[0], kinds[0]), st.secured(kinds[1], kinds[1])
			st.run(100*time.Millisecond, nil)
			left.b.Bridge(right.b)
			st.run(100*time.Millisecond, nil)
			mustSend(st, left.a, "3")
			mustSend(st, right.a, "8")
			left.a.Play(Playback{Parts: []*sound.Prompt{ramp(50)}})
			st.run(1500*time.Millisecond, nil)
			if l, r := left.heardA.digits(), right.heardA.digits(); l != "8" || r != "3" {
				t.Errorf("heard %q and %q", l, r)
			}
			if n := st.engine.Stats().Dropped[DropCrypto]; n != 0 {
				t.Errorf("%d dropped", n)
			}
			if len(right.heardA.of(VoiceBegan)) == 0 {
				t.Error("the prompt is not heard on the other side")
			}
		})
	}
}

// TestWrongKey: nothing is heard, everything is counted, one event tells, the
// call goes on, and the right key mends it.
func TestWrongKey(t *testing.T) {
	st := newStudio(t, 1)
	p := st.secured(srtp.Required, srtp.Required)
	right := p.a.leg.agreedWith(st)
	wrong, err := srtp.NewOutgoing(srtp.Offered()[0], bytes.Repeat([]byte{9}, 44))
	mediatest.Must(t, err)
	good := right.seal
	right.seal = wrong
	mustSend(st, p.a, "1")
	st.run(3*time.Second, nil)
	if n := p.heardB.digits(); n != "" {
		t.Errorf("heard %q", n)
	}
	if got := p.b.Stats(); got.Dropped < 140 || got.Received > 3 {
		t.Errorf("%+v", got)
	}
	if n := len(p.heardB.of(MediaUnreadable)); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := st.engine.Stats().Dropped[DropCrypto]; n < 140 {
		t.Errorf("%d counted", n)
	}
	right.seal = good
	st.run(100*time.Millisecond, nil)
	p.talks(st, "with the right key again")
}

// agreedWith is the agreement in force, once the shard has it.
func (l *leg) agreedWith(st *studio) *agreement {
	st.run(60*time.Millisecond, nil)
	return l.agreed
}

// A third party's packets are dropped before any cryptography, plain ones of
// the peer's own address after it; nobody hears either.
func TestForeignPacketsOfASecuredSession(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(func(o *SessionOptions) { o.SRTP = srtp.Required })
	p.local.SRTP, p.local.Keys = srtp.Required, srtp.NewKeyring(nil)
	p.offer(sdp.SendRecv)
	p.s.Start()
	st.run(50*time.Millisecond, nil)
	stranger := st.open(nil)
	for n := range 50 {
		p.sendFrom(stranger.conn, codec.PCMA.PT, false, uint16(n), uint32(n)*160, voice(n))
		p.say(voice(n))
		st.run(20*time.Millisecond, nil)
	}
	if got := p.s.Stats(); got.Received != 0 {
		t.Errorf("%+v", got)
	}
	// The stranger's do not even pass the connected socket.
	if d := st.engine.Stats().Dropped; d[DropCrypto] != 50 {
		t.Errorf("%v", d)
	}
}

// TestNoAllocationPerSecuredFrame: one pass over 20 ms of two sessions that
// send to each other.
func TestNoAllocationPerSecuredFrame(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector, which runs the short tests, allocates in hash and cipher")
	}
	st := newStudio(t, 1)
	p := st.secured(srtp.Required, srtp.Required)
	p.a.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
	p.b.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
	st.run(time.Second, nil)
	sh := st.engine.shards[0]
	now := st.clk.Now()
	if n := testing.AllocsPerRun(200, func() {
		for range slotCount {
			now = now.Add(slotLength)
			sh.tick(now, st.fabric)
			sh.observe(now)
		}
	}); n >= 0.2 {
		t.Errorf("%.2f allocations in 20 ms", n)
	}
}

// An INVITE without an offer: ours, with keys, goes out in the 2xx, the ACK
// brings theirs.
func TestLateOfferWithKeys(t *testing.T) {
	st := newStudio(t, 1)
	p := &pair{heardA: &diary{}, heardB: &diary{}}
	var err error
	p.a, err = st.engine.Open(SessionOptions{SRTP: srtp.Required, Sink: p.heardA.note, Codecs: []*codec.Codec{codec.PCMA}})
	mediatest.Must(t, err)
	p.b, err = st.engine.Open(SessionOptions{SRTP: srtp.Required, Sink: p.heardB.note, Codecs: []*codec.Codec{codec.PCMA}})
	mediatest.Must(t, err)
	p.a.Start() // before the ACK: nothing may leave yet
	offer := p.a.Offer()
	st.run(100*time.Millisecond, nil)
	if n := p.a.Stats().Sent; n != 0 {
		t.Errorf("%d packets before the answer", n)
	}
	answer, err := p.b.Answer(offer)
	mediatest.Must(t, err)
	p.b.Start()
	st.run(40*time.Millisecond, nil) // the answerer may send at once
	mediatest.Must(t, p.a.Accept(answer))
	st.run(60*time.Millisecond, nil)
	p.talks(st, "after the ACK")
}

// TestSecuredStreamPastWrap: the sequence number begins anew, on a bridge
// between two keys.
func TestSecuredStreamPastWrap(t *testing.T) {
	st := newStudio(t, 1)
	left, right := st.secured(srtp.Required, srtp.Required), st.secured(srtp.Required, srtp.Required)
	left.b.Bridge(right.b)
	for _, s := range []*Session{left.a, left.b, right.a, right.b} {
		s.leg.send.seq = 65_000 // just before the wrap
	}
	st.run(100*time.Millisecond, nil)
	for range 24 {
		st.clk.Advance(time.Second)
	}
	mustSend(st, left.a, "9")
	st.run(400*time.Millisecond, nil)
	if got := right.heardA.digits(); got != "9" {
		t.Errorf("heard %q after the wrap", got)
	}
	if n := st.engine.Stats().Dropped[DropCrypto]; n != 0 {
		t.Errorf("%d dropped", n)
	}
	if roc := left.a.leg.agreed.seal.Rollover(left.a.leg.send.ssrc); roc != 1 {
		t.Errorf("%d rollovers", roc)
	}
}

// BenchmarkSecuredFrame is one frame of a session that sends and receives,
// without the kernel: plain and with each suite that we offer.
func BenchmarkSecuredFrame(b *testing.B) {
	for name, how := range map[string]srtp.Policy{"plain": srtp.Off, "srtp": srtp.Required} {
		b.Run(name, func(b *testing.B) {
			st := newStudio(b, 1)
			const pairs = 50
			for range pairs {
				p := st.secured(how, how)
				p.a.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
			}
			st.run(200*time.Millisecond, nil)
			sh := st.engine.shards[0]
			now := st.clk.Now()
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 2 * pairs {
				for range slotCount {
					now = now.Add(slotLength)
					sh.tick(now, st.fabric)
					sh.observe(now)
				}
			}
		})
	}
}
