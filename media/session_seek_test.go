package media

import (
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// TestPlayerPlaces: where a player goes on, over the borders of its parts, at
// both ends, in a loop, and in a part without an end.
func TestPlayerPlaces(t *testing.T) {
	part := func(ms int) *sound.Prompt { return sound.NewPrompt(make([]int16, ms*audio.SampleRate/1000)) }
	tone := sound.NewEndless(make([]int16, 4*audio.FrameSamples))
	for _, c := range []struct {
		name     string
		parts    []*sound.Prompt
		loop     bool
		from     time.Duration
		to       time.Duration
		relative bool
		part     int
		frame    int
	}{
		{"the beginning", []*sound.Prompt{part(100), part(200)}, false, 0, 0, false, 0, 0},
		{"begins later", []*sound.Prompt{part(100), part(200)}, false, 140 * time.Millisecond, 0, true, 1, 2},
		{"forward over a border", []*sound.Prompt{part(100), part(200)}, false, 60 * time.Millisecond, 60 * time.Millisecond, true, 1, 1},
		{"back over a border", []*sound.Prompt{part(100), part(200)}, false, 140 * time.Millisecond, -80 * time.Millisecond, true, 0, 3},
		{"before the beginning", []*sound.Prompt{part(100)}, false, 40 * time.Millisecond, -time.Second, true, 0, 0},
		{"behind the end", []*sound.Prompt{part(100), part(200)}, false, 0, time.Minute, false, 2, 0},
		{"at the end", []*sound.Prompt{part(100)}, false, 0, 100 * time.Millisecond, false, 1, 0},
		{"a loop begins again", []*sound.Prompt{part(100), part(200)}, true, 0, 340 * time.Millisecond, false, 0, 2},
		{"a sound without an end", []*sound.Prompt{part(100), tone}, false, 0, 10 * time.Second, false, 1, 3},
	} {
		p := newPlayer(1, c.parts, Playback{Loop: c.loop, From: c.from})
		p.encode(&Engine{cfg: Config{Fabric: &Fabric{}}}, c.parts, codec.PCMA)
		p.seek(c.to, c.relative)
		if p.part != c.part || p.frame != c.frame {
			t.Errorf("%s: part %d, frame %d, want %d, %d", c.name, p.part, p.frame, c.part, c.frame)
		}
	}
	waiting := newPlayer(1, []*sound.Prompt{part(100)}, Playback{From: 20 * time.Millisecond})
	waiting.seek(40*time.Millisecond, true)
	again := newPlayer(1, []*sound.Prompt{part(100)}, Playback{})
	again.encode(&Engine{cfg: Config{Fabric: &Fabric{}}}, []*sound.Prompt{part(100)}, codec.PCMU)
	waiting.recode(again)
	if waiting.frame != 3 {
		t.Errorf("before a codec is agreed: frame %d", waiting.frame)
	}
}
