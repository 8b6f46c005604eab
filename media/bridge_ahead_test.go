package media

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// A peer whose packets come in bursts puts the stream that is passed on ahead
// of our clock. After a whisper the peer must be heard again, and soon.
func TestPeerIsHeardAgainAfterAWhisperWhateverItsJitter(t *testing.T) {
	for burst := 1; burst <= 6; burst++ {
		st := newStudio(t, 1)
		a, b := st.leg(nil), st.leg(nil)
		n := 0
		bursts := func(ms int) {
			if ms%(20*burst) != 7 {
				return
			}
			for range burst {
				a.say(voice(n))
				n++
			}
		}
		a.s.Bridge(b.s)
		st.run(400*time.Millisecond, bursts, a, b)
		for range 4 {
			b.s.Play(Playback{Parts: []*sound.Prompt{ramp(10)}})
			st.run(600*time.Millisecond, bursts, a, b)
			late := b.packets[len(b.packets)-6:]
			if n := len(content(late, codec.PCMA)); n != len(late) {
				t.Fatalf("bursts of %d: %d of %d packets long after the whisper are the peer's", burst, n, len(late))
			}
		}
	}
}
