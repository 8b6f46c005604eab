package media

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/detect"
	"github.com/loopstart/loopstart/media/sdp"
)

// badNetwork loses, doubles and delays what passes through a Fabric.
type badNetwork struct {
	st   *studio
	rng  *rand.Rand
	loss float64
	mu   sync.Mutex
	own  bool // what is delivered now has been through
	wait []delayed
}

type delayed struct {
	from, to netip.AddrPort
	data     []byte
	at       time.Time
}

func (n *badNetwork) lose(from, to netip.AddrPort, data []byte) bool {
	if n.own || isReport(data) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for copies := 1 + n.rng.IntN(10)/9; copies > 0; copies-- {
		if n.rng.Float64() >= n.loss {
			by := 5*time.Millisecond + time.Duration(n.rng.IntN(40))*time.Millisecond
			n.wait = append(n.wait, delayed{from, to, slices.Clone(data), n.st.clk.Now().Add(by)})
		}
	}
	return true
}

// pass lets a millisecond go by.
func (n *badNetwork) pass() {
	n.st.clk.Advance(time.Millisecond)
	now := n.st.clk.Now()
	n.mu.Lock()
	var due []delayed
	n.wait = slices.DeleteFunc(n.wait, func(d delayed) bool {
		if d.at.After(now) {
			return false
		}
		due = append(due, d)
		return true
	})
	n.mu.Unlock()
	f := n.st.fabric
	f.mu.Lock()
	defer f.mu.Unlock()
	n.own = true
	for _, d := range due {
		f.deliver(d.from, d.to, d.data, nil)
	}
	n.own = false
}

// 100 calls send 12 keys each through a network that loses, doubles and
// reorders packets: from one session's generator to another one's receiver.
// With at most 5 % lost every key arrives once; at 10 % at least 99.5 % do; no
// key ever arrives twice or in another order.
func TestKeysFromSessionToSessionOverABadNetwork(t *testing.T) {
	calls := 100
	if testing.Short() {
		calls = 25
	}
	for _, loss := range []float64{0, 0.05, 0.10, 0.20} {
		st := newStudio(t, 1)
		n := &badNetwork{st: st, rng: rand.New(rand.NewPCG(4733, uint64(loss*1000))), loss: loss}
		st.fabric.Lose = n.lose
		type pair struct {
			a, b   *Session
			events *diary
			keys   string
		}
		var pairs []pair
		for range calls {
			p := pair{events: &diary{}, keys: randomDigits(n.rng, 12)}
			var err error
			if p.a, err = st.engine.Open(SessionOptions{}); err != nil {
				t.Fatal(err)
			}
			if p.b, err = st.engine.Open(SessionOptions{Sink: p.events.note}); err != nil {
				t.Fatal(err)
			}
			link(t, p.a, p.b)
			p.a.Start()
			p.b.Start()
			if err := p.a.SendDigits(p.keys); err != nil {
				t.Fatal(err)
			}
			pairs = append(pairs, p)
		}
		for range 12*(toneFrames+gapFrames)*20 + 500 {
			n.pass()
		}
		missing := 0
		for i, p := range pairs {
			got, ended := p.events.digits(), ""
			for _, e := range p.events.of(DigitEnded) {
				ended += string(e.Digit)
			}
			if !subsequence(got, p.keys) || ended != got {
				t.Fatalf("loss %.2f, call %d: %q of %q, ended %q", loss, i, got, p.keys, ended)
			}
			missing += len(p.keys) - len(got)
			p.a.Close()
			p.b.Close()
		}
		allowed := 0
		if loss == 0.10 {
			allowed = calls * 12 / 200
		}
		if loss <= 0.10 && missing > allowed {
			t.Errorf("loss %.2f: %d of %d keys missing", loss, missing, calls*12)
		}
		for range 50 {
			n.pass()
		}
	}
}

// Each way to send keys is heard as what it is: events as events, tones in the
// audio as tones of the right pair, and nothing of the other kind.
func TestKeysAreHeardAsSent(t *testing.T) {
	for _, inband := range []bool{false, true} {
		st := newStudio(t, 1)
		p := st.leg(nil)
		st.run(60*time.Millisecond, nil, p)
		send := p.s.SendDigits
		if inband {
			send = p.s.SendTones
		}
		if err := send("1590#D"); err != nil {
			t.Fatal(err)
		}
		st.run(2500*time.Millisecond, nil, p)
		events, d := "", digitReceiver{}
		var pcm []int16
		for _, h := range p.packets {
			if h.pt == sdp.DefaultEventPT {
				ev, _ := parseEvent(h.payload)
				if n := d.packet(h.ssrc, h.ts, audio.SampleRate, ev, time.UnixMilli(h.at.Milliseconds())); n.began {
					events += string(n.beganKey)
				}
				continue
			}
			var one [audio.FrameSamples]int16
			codec.PCMA.Decode(one[:], h.payload)
			pcm = append(pcm, one[:]...)
		}
		tones := keysIn(pcm)
		if inband && (tones != "1590#D" || events != "") || !inband && (events != "1590#D" || tones != "") {
			t.Errorf("inband %v: events %q, tones %q", inband, events, tones)
		}
	}
}

// keysIn are the keys that begin in audio.
func keysIn(pcm []int16) (keys string) {
	t := detect.NewKeyReceiver()
	for at := 0; at+audio.FrameSamples <= len(pcm); at += audio.FrameSamples {
		if n := t.Feed(pcm[at : at+audio.FrameSamples]); n.Began != 0 {
			keys += string(n.Began)
		}
	}
	return keys
}
