package media

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sdp"
)

// TestMove: a session takes another address while it talks; what is played goes
// on without a jump, and the old ports are free.
func TestMove(t *testing.T) {
	st := newStudio(t, 1)
	symmetric := func(o *SessionOptions) { o.Symmetric = netip.MustParseAddr("10.0.0.9") }
	for name, change := range map[string]func(*SessionOptions){"as described": nil, "behind NAT": symmetric} {
		p := st.leg(change)
		st.run(300*time.Millisecond, p.talk(1), p)
		old, used := p.s.LocalAddr(), st.engine.ports.inUse()
		to := netip.MustParseAddr("10.0.0.77")
		if err := p.s.Move(to, netip.MustParseAddr("203.0.113.5")); err != nil {
			t.Fatal(err)
		}
		before := len(p.packets)
		st.run(300*time.Millisecond, p.talk(1), p)
		if got := p.s.LocalAddr(); got.Addr() != to || got.Port() == old.Port() {
			t.Errorf("%s: at %s, was at %s", name, got, old)
		}
		if n := st.engine.ports.inUse(); n != used {
			t.Errorf("%s: %d ports are in use, %d were", name, n, used)
		}
		contiguous(t, p.packets)
		if len(p.packets) < before+14 {
			t.Errorf("%s: %d packets after the move", name, len(p.packets)-before)
		}
		if sdp := p.s.Reoffer(sdp.SendRecv); !bytes.Contains(sdp, []byte("c=IN IP4 203.0.113.5\r\n")) {
			t.Errorf("%s: %s", name, sdp)
		}
		heard := st.engine.Stats().Received
		st.run(100*time.Millisecond, p.talk(1), p)
		if st.engine.Stats().Received == heard {
			t.Errorf("%s: nothing is heard at the new address", name)
		}
		p.s.Close()
		st.run(50*time.Millisecond, nil, p)
		if err := p.s.Move(to, to); fault.CodeOf(err) != fault.Media {
			t.Errorf("%s: a closed session moves: %v", name, err)
		}
	}
	if n := st.engine.ports.inUse(); n != 0 {
		t.Errorf("%d ports are left in use", n)
	}
}

// TestMoveBeforeStart: so does one that has not begun.
func TestMoveBeforeStart(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	to := netip.MustParseAddr("10.0.0.77")
	if err := p.s.Move(to, to); err != nil {
		t.Fatal(err)
	}
	if sdp := p.s.Offer(); !bytes.Contains(sdp, []byte("c=IN IP4 10.0.0.77\r\n")) {
		t.Errorf("%s", sdp)
	}
	p.s.Close()
	if n := st.engine.ports.inUse(); n != 0 {
		t.Errorf("%d ports are in use", n)
	}
}
