package media

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
)

// quiet is two sessions on two engines of one Fabric that talk to each other.
type quiet struct {
	clk  *clock.Virtual
	a, b *Session
	said []string
}

func newQuiet(t testing.TB, rests bool, change func(*SessionOptions)) *quiet {
	t.Helper()
	q := &quiet{clk: clock.NewVirtual(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))}
	fabric := NewFabric(q.clk)
	fabric.Rest = rests
	open := func(name string, low uint16) *Session {
		e, err := NewEngine(Config{Shards: 1, PortMin: low, PortMax: low + 99, Fabric: fabric}, q.clk, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		o := SessionOptions{Voice: 100 * time.Millisecond, Marks: true, Codecs: []*codec.Codec{codec.PCMA}}
		o.Sink = func(ev Event) {
			at := ev.At.Sub(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))
			q.said = append(q.said, fmt.Sprintf("%s %s kind %d digit %q mark %d played %d/%d", name, at, ev.Kind, ev.Digit, ev.Mark, ev.PlayedMs, ev.TotalMs))
		}
		if change != nil {
			change(&o)
		}
		s, err := e.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	q.a, q.b = open("a", 40000), open("b", 50000)
	answer, err := q.b.Answer(q.a.Offer())
	if err == nil {
		err = q.a.Accept(answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	q.a.Start()
	q.clk.Advance(7 * time.Millisecond)
	q.b.Start()
	return q
}

// spoken is marked audio.
func spoken(number uint32, d time.Duration) *sound.Prompt {
	pcm := make([]int16, int(d/time.Second*audio.SampleRate)+int(d%time.Second*audio.SampleRate/time.Second))
	for i := range pcm {
		pcm[i] = int16(4000 - i%20*400)
	}
	copy(pcm, sound.MarkFrame(number))
	return sound.NewPrompt(pcm)
}

// TestRestChangesNothing runs one conversation with and without rest: every
// event comes at the same time.
func TestRestChangesNothing(t *testing.T) {
	story := func(rests bool) []string {
		q := newQuiet(t, rests, func(o *SessionOptions) { o.MediaTimeout = 10 * time.Second })
		for i, pause := range []time.Duration{time.Second, time.Minute, 10 * time.Minute, 333 * time.Millisecond, 61 * time.Second} {
			q.clk.Advance(pause)
			q.a.Play(Playback{Parts: []*sound.Prompt{spoken(uint32(7+i), 700*time.Millisecond)}, Volume: 1 + float64(i)/4})
			q.clk.Advance(300 * time.Millisecond)
			if err := q.b.SendDigits("1#"); err != nil {
				t.Fatal(err)
			}
			q.clk.Advance(2 * time.Second)
		}
		st := q.a.Stats()
		if st.Lost != 0 || st.JitterMs > 1 || st.Received == 0 {
			t.Errorf("rest %v: lost %d, jitter %.2f ms of %d packets", rests, st.Lost, st.JitterMs, st.Received)
		}
		q.b.Close() // from now on packets are missing, and the time until that is noticed counts
		q.clk.Advance(30 * time.Second)
		return q.said
	}
	with, without := story(true), story(false)
	if !slices.Equal(with, without) {
		t.Errorf("with rest:\n%s\nwithout:\n%s", strings.Join(with, "\n"), strings.Join(without, "\n"))
	}
	if n := len(with); n < 30 {
		t.Errorf("only %d events:\n%s", n, strings.Join(with, "\n"))
	}
	for _, want := range []string{"mark 7 ", "mark 11 ", fmt.Sprintf("kind %d ", MediaLost)} {
		if !strings.Contains(strings.Join(with, "\n"), want) {
			t.Errorf("no %q in:\n%s", want, strings.Join(with, "\n"))
		}
	}
}

// TestRestSkipsAnHour is the promise: an hour in which nobody says anything
// costs next to nothing.
func TestRestSkipsAnHour(t *testing.T) {
	q := newQuiet(t, true, nil)
	q.clk.Advance(time.Second)
	sent := q.a.Stats().Sent
	q.clk.Advance(time.Hour)
	if more := q.a.Stats().Sent - sent; more != 0 {
		t.Errorf("%d packets were sent in an hour of rest", more)
	}
}

func TestMarks(t *testing.T) {
	for _, number := range []uint32{0, 1, 0xffffffff, 0xdeadbeef} {
		pcm := sound.MarkFrame(number)
		for _, c := range []*codec.Codec{codec.PCMA, codec.PCMU} {
			code, back := make([]byte, len(c.Silence())), make([]int16, audio.FrameSamples)
			c.Encode(code, pcm)
			c.Decode(back, code)
			if got, ok := sound.MarkIn(back); !ok || got != number {
				t.Errorf("%s: %x became %x, %v", c.Name, number, got, ok)
			}
		}
	}
	for name, pcm := range map[string][]int16{
		"silence": make([]int16, audio.FrameSamples), "short": sound.MarkFrame(1)[:40], "tone": spoken(1, time.Second).PCM()[audio.FrameSamples : 2*audio.FrameSamples],
	} {
		if n, ok := sound.MarkIn(pcm); ok {
			t.Errorf("%s is the mark %d", name, n)
		}
	}
}

func BenchmarkHourOfSilence(b *testing.B) {
	for _, rests := range []bool{true, false} {
		b.Run(fmt.Sprintf("rest=%v", rests), func(b *testing.B) {
			q := newQuiet(b, rests, nil)
			q.clk.Advance(time.Second)
			for b.Loop() {
				q.clk.Advance(time.Hour)
			}
		})
	}
}
