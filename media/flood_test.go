package media

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

// Floods on all sessions of a shard at once: a pass reads no more than
// tickReads and a little for each, every session gets its share, and the rest
// is counted.
func TestPassReadsABoundedNumberOfDatagrams(t *testing.T) {
	st := newStudio(t, 1)
	conn, err := st.fabric.Listen(netip.MustParseAddrPort("10.0.0.66:7000"))
	if err != nil {
		t.Fatal(err)
	}
	var parties []*party
	for range 60 {
		parties = append(parties, st.leg(func(o *SessionOptions) { o.Symmetric = conn.Addr().Addr() }))
	}
	st.run(200*time.Millisecond, nil, parties...)
	for _, p := range parties {
		for range fabricQueue {
			conn.Send(p.s.LocalAddr(), []byte("garbage"))
		}
	}
	sh := st.engine.shards[0]
	for range 8 { // until every session reads until its socket is empty
		st.clk.Advance(audio.FrameDuration / 2)
		sh.tick(st.clk.Now(), st.fabric)
		if sh.reads > tickReads+len(parties)*readShare*2 {
			t.Fatalf("%d datagrams in a pass", sh.reads)
		}
	}
	for i, p := range parties {
		if s := p.s.Stats(); s.Dropped < readShare {
			t.Errorf("session %d: %d datagrams read", i, s.Dropped)
		}
	}
	if st.engine.Stats().Cut == 0 {
		t.Error("nothing counted")
	}
}

// All kinds of garbage at a high rate on both ports, from strangers and from
// the peer's own address, before the source is pinned and after: the caller's
// audio is whole in the recording, and ours goes on.
func TestGarbageOnBothPortsLeavesTheCallUnharmed(t *testing.T) {
	for _, symmetric := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(6, 6))
		st := newStudio(t, 1)
		p := st.leg(func(o *SessionOptions) {
			if symmetric {
				o.Symmetric = netip.MustParseAddr("10.0.0.9")
			}
		})
		stranger, err := st.fabric.Listen(netip.MustParseAddrPort("10.0.0.66:7000"))
		if err != nil {
			t.Fatal(err)
		}
		st.run(60*time.Millisecond, nil, p)
		f := tempFile(t)
		p.s.Record(NewRecorder(f, RecorderOptions{}))
		to := p.s.LocalAddr()
		n := 0
		st.run(2*time.Second, func(ms int) {
			for i := range 16 { // 16,000 a second, a fifth of them from the peer
				from := stranger
				if i%5 == 0 {
					from = p.conn
				}
				at := to
				if i%4 == 0 {
					at = nextPort(to)
				}
				from.Send(at, garbage(rng, i))
			}
			if ms%20 == 5 {
				p.say(voice(n % 64))
				n++
			}
		}, p)
		st.run(100*time.Millisecond, nil, p)
		p.s.StopRecord()
		st.run(300*time.Millisecond, nil, p)
		steady(t, p.packets, 0)
		if s := p.s.Stats(); s.Lost > 0 || s.Received != uint64(n) {
			t.Errorf("symmetric %v: %d of %d packets, %d lost", symmetric, s.Received, n, s.Lost)
		}
		var said []int16
		for i := range n {
			var one [audio.FrameSamples]int16
			codec.PCMA.Decode(one[:], voice(i%64))
			said = append(said, one[:]...)
		}
		find(t, readWAV(t, f, 1), said)
	}
}

// garbage is a datagram of one of several kinds that is no RTP of this call.
func garbage(rng *rand.Rand, kind int) []byte {
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	switch kind % 7 {
	case 0: // a STUN binding request, RFC 5389
		return append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, random(12)...)
	case 1: // RTP of a payload type that was not agreed on
		return append([]byte{0x80, 77, 0, 1}, random(40)...)
	case 2: // a header cut off
		return []byte{0x80, 8, 0}
	case 3: // a receiver report that ends early
		return []byte{0x9f, rtcpRR, 0xff, 0xff, 0, 0, 0, 1, 1}
	case 4: // extensions and sources beyond the end
		return append([]byte{0x9f, 8, 0, 1}, random(8)...)
	case 5: // not version 2
		return append([]byte{0x40, 8}, random(1400)...)
	}
	return nil
}

// FuzzDatagram sends two datagrams through all that a session does with them:
// whatever they are, nothing panics and what is counted adds up.
func FuzzDatagram(f *testing.F) {
	var h [rtpHeader]byte
	putRTP(&h, false, codec.PCMA.PT, 1, 2, 3)
	plain := append(h[:], voice(0)...)
	putRTP(&h, true, sdp.DefaultEventPT, 2, 2, 3)
	event := append(h[:], 5, 0x8a, 3, 32)
	putRTP(&h, false, comfortPT, 3, 500, 3)
	f.Add(plain, event, false)
	f.Add(event, append(h[:], 60), true)
	f.Add([]byte{0x80, rtcpRR, 0, 1, 0, 0, 0, 1}, plain, true)
	f.Add([]byte{0x81, rtcpSR, 0, 6, 0, 0, 0, 1}, []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, true)
	st := newStudio(f, 1)
	f.Fuzz(func(t *testing.T, one, two []byte, mux bool) {
		if len(one) > codec.MaxPacket || len(two) > codec.MaxPacket {
			return
		}
		st.t, st.ports = t, 6000
		p := st.open(func(o *SessionOptions) { o.Voice, o.MediaTimeout = time.Second, time.Second })
		p.local.Mux = mux
		p.offer(sdp.SendRecv)
		tap := NewTap(TapOptions{Inbound: true})
		go func() {
			for f := range tap.Frames() {
				tap.Release(f)
			}
		}()
		p.s.Tap(tap)
		p.s.Start()
		st.clk.Advance(40 * time.Millisecond)
		for _, b := range [][]byte{one, two, one} {
			p.conn.Send(p.s.LocalAddr(), b)
			p.conn.Send(nextPort(p.s.LocalAddr()), b)
			st.clk.Advance(20 * time.Millisecond)
		}
		s := p.s.Stats()
		if s.Received+s.Dropped > 6 || s.MOS < 0 || s.MOS > 4.5 || s.JitterMs < 0 || s.RTTMs < 0 {
			t.Fatalf("%+v", s)
		}
		p.s.Close()
		p.conn.Close()
		st.clk.Advance(60 * time.Millisecond)
	})
}
