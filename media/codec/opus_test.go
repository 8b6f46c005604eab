package codec

import (
	"math"
	"testing"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

// opusThrough encodes and decodes a tone and returns what came out.
func opusThrough(t *testing.T, in []int16, lose func(frame int) bool) []int16 {
	t.Helper()
	e, d := &opusEncoder{params: OpusParams{FEC: true}}, Opus.NewDecoder()
	var out []int16
	var packets [][]byte
	for i := 0; i+audio.WideFrame <= len(in); i += audio.WideFrame {
		code := make([]byte, MaxPayload)
		n := e.Encode(code, in[i:i+audio.WideFrame])
		if n == 0 {
			t.Fatal("not encoded")
		}
		packets = append(packets, code[:n])
	}
	pcm := make([]int16, MaxDecoded)
	for i, p := range packets {
		if lose != nil && lose(i) {
			var next []byte
			if i+1 < len(packets) && !lose(i+1) {
				next = packets[i+1]
			}
			if !d.Conceal(pcm[:audio.WideFrame], next) {
				t.Fatal("not concealed")
			}
			out = append(out, pcm[:audio.WideFrame]...)
			continue
		}
		n := d.Decode(pcm, p)
		if n != audio.WideFrame {
			t.Fatalf("frame %d: %d samples", i, n)
		}
		out = append(out, pcm[:n]...)
	}
	return out
}

func TestOpusCarriesTones(t *testing.T) {
	for _, hz := range []float64{300, 1000, 3000, 6000} {
		out := opusThrough(t, mediatest.Sine(hz, audio.WideRate, audio.WideRate, 8000), nil)[audio.WideRate/2:]
		level := mediatest.LevelAgainst(out, 8000)
		share := mediatest.EnergyAt(out, hz, audio.WideRate) / (audio.Power(out) * float64(len(out)))
		if math.Abs(level) > 2 || share < 0.95 {
			t.Errorf("%v Hz: level %.1f dB, share of the tone %.3f", hz, level, share)
		}
	}
}

func TestOpusConcealsLosses(t *testing.T) {
	in := mediatest.Sine(500, audio.WideRate, 2*audio.WideRate, 8000)
	out := opusThrough(t, in, func(i int) bool { return i > 20 && i%10 == 0 })[audio.WideRate/2:]
	whole := opusThrough(t, in, nil)[audio.WideRate/2:]
	if got := mediatest.LevelAgainst(out, 8000) - mediatest.LevelAgainst(whole, 8000); got < -1 {
		t.Errorf("%.1f dB lower with losses", got)
	}
	for i := 0; i+audio.WideFrame <= len(out); i += audio.WideFrame {
		if got := mediatest.LevelAgainst(out[i:i+audio.WideFrame], 8000); got < -12 {
			t.Errorf("a hole of %.1f dB at %d", got, i)
		}
	}
}

func TestOpusStateIsMadeOnce(t *testing.T) {
	e, d := Opus.NewEncoder(), Opus.NewDecoder()
	in := mediatest.Sine(700, audio.WideRate, 100*audio.WideFrame, 6000)
	code, pcm := make([]byte, MaxPayload), make([]int16, MaxDecoded)
	n, i := e.Encode(code, in[:audio.WideFrame]), 0
	d.Decode(pcm, code[:n])
	frame := func() {
		n := e.Encode(code, in[i%99*audio.WideFrame:][:audio.WideFrame])
		d.Decode(pcm, code[:n])
		i++
	}
	for range 100 {
		frame()
	}
	if n := testing.AllocsPerRun(200, frame); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestOpusSilence(t *testing.T) {
	d, pcm := Opus.NewDecoder(), make([]int16, MaxDecoded)
	for range 20 {
		n := d.Decode(pcm, Opus.Silence())
		if n != audio.WideFrame || audio.Loud(pcm[:n]) {
			t.Fatalf("%d samples", n)
		}
	}
}

// FuzzPayload decodes anything with every codec.
func FuzzPayload(f *testing.F) {
	for _, c := range All() {
		code := make([]byte, MaxPayload)
		f.Add(code[:c.NewEncoder().Encode(code, mediatest.Sine(440, float64(c.Rate), c.FrameLen(), 9000))])
	}
	f.Add([]byte{})
	f.Add([]byte{0xff, 0x3f, 1, 2, 3})
	pcm := make([]int16, MaxDecoded)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > MaxPacket {
			return
		}
		for _, c := range All() {
			d := c.NewDecoder()
			if n := d.Decode(pcm, payload); n < 0 || n > MaxDecoded {
				t.Fatalf("%s: %d samples", c, n)
			}
			d.Conceal(pcm[:2*c.FrameLen()], payload)
			d.Decode(pcm, payload)
		}
	})
}

func BenchmarkOpusState(b *testing.B) {
	b.Run("encoder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			newGopusEncoder(OpusParams{})
		}
	})
	b.Run("decoder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			new(opusDecoder).ready()
		}
	})
}
