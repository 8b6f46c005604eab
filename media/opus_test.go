package media

import (
	"math"
	"testing"
)

// opusThrough encodes and decodes a tone and returns what came out.
func opusThrough(t *testing.T, in []int16, lose func(frame int) bool) []int16 {
	t.Helper()
	e, d := &opusEncoder{params: opusParams{fec: true}}, Opus.NewDecoder()
	var out []int16
	var packets [][]byte
	for i := 0; i+wideFrame <= len(in); i += wideFrame {
		code := make([]byte, maxPayload)
		n := e.Encode(code, in[i:i+wideFrame])
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
			if !d.Conceal(pcm[:wideFrame], next) {
				t.Fatal("not concealed")
			}
			out = append(out, pcm[:wideFrame]...)
			continue
		}
		n := d.Decode(pcm, p)
		if n != wideFrame {
			t.Fatalf("frame %d: %d samples", i, n)
		}
		out = append(out, pcm[:n]...)
	}
	return out
}

func TestOpusCarriesTones(t *testing.T) {
	for _, hz := range []float64{300, 1000, 3000, 6000} {
		out := opusThrough(t, sine(hz, WideRate, WideRate, 8000), nil)[WideRate/2:]
		level := levelAgainst(out, 8000)
		share := goertzelAt(out, hz, WideRate) / (power(out) * float64(len(out)))
		if math.Abs(level) > 2 || share < 0.95 {
			t.Errorf("%v Hz: level %.1f dB, share of the tone %.3f", hz, level, share)
		}
	}
}

func TestOpusConcealsLosses(t *testing.T) {
	in := sine(500, WideRate, 2*WideRate, 8000)
	out := opusThrough(t, in, func(i int) bool { return i > 20 && i%10 == 0 })[WideRate/2:]
	whole := opusThrough(t, in, nil)[WideRate/2:]
	if got := levelAgainst(out, 8000) - levelAgainst(whole, 8000); got < -1 {
		t.Errorf("%.1f dB lower with losses", got)
	}
	for i := 0; i+wideFrame <= len(out); i += wideFrame {
		if got := levelAgainst(out[i:i+wideFrame], 8000); got < -12 {
			t.Errorf("a hole of %.1f dB at %d", got, i)
		}
	}
}

func TestOpusStateIsMadeOnce(t *testing.T) {
	e, d := Opus.NewEncoder(), Opus.NewDecoder()
	in := sine(700, WideRate, 100*wideFrame, 6000)
	code, pcm := make([]byte, maxPayload), make([]int16, MaxDecoded)
	n, i := e.Encode(code, in[:wideFrame]), 0
	d.Decode(pcm, code[:n])
	frame := func() {
		n := e.Encode(code, in[i%99*wideFrame:][:wideFrame])
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
		if n != wideFrame || loud(pcm[:n]) {
			t.Fatalf("%d samples", n)
		}
	}
}

// FuzzPayload decodes anything with every codec.
func FuzzPayload(f *testing.F) {
	for _, c := range Codecs() {
		code := make([]byte, maxPayload)
		f.Add(code[:c.NewEncoder().Encode(code, sine(440, float64(c.Rate), c.FrameLen(), 9000))])
	}
	f.Add([]byte{})
	f.Add([]byte{0xff, 0x3f, 1, 2, 3})
	pcm := make([]int16, MaxDecoded)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > maxPacket {
			return
		}
		for _, c := range Codecs() {
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
			newGopusEncoder(opusParams{})
		}
	})
	b.Run("decoder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			new(opusDecoder).ready()
		}
	})
}
