package sound

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
)

// heardIn is what a listener hears of a prompt in a codec.
func heardIn(p *Prompt, c *codec.Codec) []int16 {
	e, d := p.Encoded(c), c.NewDecoder()
	var out []int16
	pcm := make([]int16, codec.MaxDecoded)
	for i := range e.Frames() {
		out = append(out, pcm[:d.Decode(pcm, e.Frame(i))]...)
	}
	return out
}

// A prompt sounds the same in every codec, whatever its own rate.
func TestPromptInEveryCodec(t *testing.T) {
	for name, p := range map[string]*Prompt{
		"narrow": NewPrompt(mediatest.Sine(1000, audio.SampleRate, 2*audio.SampleRate, 8000)),
		"wide":   NewWidePrompt(mediatest.Sine(1000, audio.WideRate, 2*audio.WideRate, 8000)),
	} {
		if p.Frames() != 100 {
			t.Errorf("%s: %d frames", name, p.Frames())
		}
		for _, c := range codec.All() {
			out := heardIn(p, c)[c.Rate/2 : 2*c.Rate-c.Rate/10]
			share := mediatest.EnergyAt(out, 1000, c.Rate) / (audio.Power(out) * float64(len(out)))
			if level := mediatest.LevelAgainst(out, 8000); level < -1.5 || level > 1.5 || share < 0.97 {
				t.Errorf("%s in %s: %.1f dB, share of the tone %.3f", name, c, level, share)
			}
		}
	}
}

// What a telephone does not carry is heard where the codec is wide.
func TestWidePromptKeepsItsHighs(t *testing.T) {
	p := NewWidePrompt(mediatest.Sine(6000, audio.WideRate, 2*audio.WideRate, 8000))
	for _, c := range codec.All() {
		out := heardIn(p, c)[c.Rate/2 : 2*c.Rate-c.Rate/10]
		if level := mediatest.LevelAgainst(out, 8000); c.Wide() != (level > -3) || !c.Wide() && level > -45 {
			t.Errorf("%s: %.1f dB", c, level)
		}
	}
}

// The first half second can be played while the rest is not encoded yet, and
// what is not there is silence.
func TestPromptIsEncodedBitByBit(t *testing.T) {
	p := NewPrompt(mediatest.Sine(500, audio.SampleRate, 5*audio.SampleRate, 8000))
	e := p.Form(codec.G722)
	if int(e.ready.Load()) != encodeAhead || e.Done() {
		t.Fatalf("%d frames at once", e.ready.Load())
	}
	if &e.Frame(encodeAhead)[0] != &codec.G722.Silence()[0] || &e.Frame(0)[0] == &codec.G722.Silence()[0] {
		t.Error("a frame that is not there is no silence")
	}
	var stop atomic.Bool
	stop.Store(true)
	if e.Complete(&stop); e.Done() {
		t.Error("not stopped")
	}
	if e.Complete(nil); !e.Done() || e.encoder != nil {
		t.Error("not completed")
	}
}

func TestWideFramesDoNotAllocate(t *testing.T) {
	p := NewPrompt(mediatest.Sine(500, audio.SampleRate, audio.SampleRate, 8000))
	e, d := p.Encoded(codec.G722), codec.G722.NewDecoder()
	enc, code, pcm := codec.G722.NewEncoder(), make([]byte, codec.MaxPayload), make([]int16, codec.MaxDecoded)
	var fit audio.Fitting
	i := 0
	n := testing.AllocsPerRun(100, func() {
		m := d.Decode(pcm, e.Frame(i%50))
		fit.To(audio.SampleRate, pcm, audio.Piece{Samples: pcm[:m], Rate: audio.WideRate})
		enc.Encode(code, pcm[:m])
		i++
	})
	if n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// A file of 24 kHz is heard with its highs in wideband codecs, trimmed and
// levelled like its narrow form.
func TestLoadKeepsWideband(t *testing.T) {
	pcm := slices.Concat(make([]int16, 24000), mediatest.Sine(6000, 24000, 24000, 3000), make([]int16, 24000))
	for i, v := range mediatest.Sine(900, 24000, 24000, 3000) {
		pcm[24000+i] += v
	}
	var data []byte
	for _, v := range pcm {
		data = binary.LittleEndian.AppendUint16(data, uint16(v))
	}
	p, err := decodeAudio(context.Background(), bytes.NewReader(mediatest.WAVBytes(wavePCM, 1, 24000, 16, data)), "wav", time.Minute, LoadOptions{Trim: true, Normalise: true})
	mediatest.Must(t, err)
	if len(p.Wide()) != 2*len(p.PCM()) || len(p.PCM()) > 10000 {
		t.Fatalf("%d and %d samples", len(p.PCM()), len(p.Wide()))
	}
	middle := p.Wide()[audio.WideRate/4 : 3*audio.WideRate/4]
	low, high := mediatest.EnergyAt(middle, 900, audio.WideRate), mediatest.EnergyAt(middle, 6000, audio.WideRate)
	if high < low/2 || high > 2*low {
		t.Errorf("900 Hz %.0f, 6000 Hz %.0f", low, high)
	}
	if out := heardIn(p, codec.G722)[audio.WideRate/4 : 3*audio.WideRate/4]; mediatest.EnergyAt(out, 6000, audio.WideRate) < low/4 {
		t.Error("the highs are not heard in G.722")
	}
}
