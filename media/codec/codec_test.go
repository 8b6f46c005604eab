package codec

import (
	"bytes"
	"testing"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/mediatest"
)

func TestCodecByName(t *testing.T) {
	for name, want := range map[string]*Codec{"PCMA": PCMA, "pcmu": PCMU, "g722": G722, "OPUS": Opus, "G729": nil, "": nil} {
		got, ok := ByName(name)
		if got != want || ok != (want != nil) {
			t.Errorf("%q: %v %v", name, got, ok)
		}
	}
}

func TestCodecNumbersOfRFC3551(t *testing.T) {
	if PCMA.PT != 8 || PCMU.PT != 0 {
		t.Fatalf("payload types %d %d", PCMA.PT, PCMU.PT)
	}
	slots := map[int]bool{}
	for _, c := range All() {
		if c.Clock%8000 != 0 || c.FrameLen() != c.Rate/50 || slots[c.Slot] || c.Slot >= Slots {
			t.Errorf("%s: clock %d, frame %d, slot %d", c, c.Clock, c.FrameLen(), c.Slot)
		}
		slots[c.Slot] = true
	}
}

func TestSilenceIsTheQuietestCode(t *testing.T) {
	for c, code := range map[*Codec]byte{PCMA: 0xD5, PCMU: 0xFF} {
		if !bytes.Equal(c.Silence(), bytes.Repeat([]byte{code}, 160)) {
			t.Errorf("%s: % X", c, c.Silence()[:4])
		}
	}
}

func TestEncodeWritesOnlyItsSamples(t *testing.T) {
	dst := bytes.Repeat([]byte{1}, 4)
	PCMA.Encode(dst, []int16{0, 0})
	if dst[1] != 0xD5 || dst[2] != 1 {
		t.Fatalf("% X", dst)
	}
	defer func() {
		if recover() == nil {
			t.Fatal("a short dst must not pass silently")
		}
	}()
	PCMA.Encode(dst[:1:1], []int16{0, 0})
}

func TestFramePathDoesNotAllocate(t *testing.T) {
	pcm, payload := make([]int16, audio.FrameSamples), make([]byte, audio.FrameSamples)
	n := testing.AllocsPerRun(100, func() {
		PCMA.Encode(payload, pcm)
		PCMU.Decode(pcm, payload)
	})
	if n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkEncodeFrame(b *testing.B) {
	for _, c := range All() {
		b.Run(c.Name, func(b *testing.B) {
			pcm, payload := mediatest.Sine(440, float64(c.Rate), c.FrameLen(), 20000), make([]byte, MaxPayload)
			e := c.NewEncoder()
			b.ReportAllocs()
			for b.Loop() {
				e.Encode(payload, pcm)
			}
		})
	}
}

func BenchmarkDecodeFrame(b *testing.B) {
	for _, c := range All() {
		b.Run(c.Name, func(b *testing.B) {
			pcm, payload := make([]int16, MaxDecoded), make([]byte, MaxPayload)
			payload = payload[:c.NewEncoder().Encode(payload, mediatest.Sine(440, float64(c.Rate), c.FrameLen(), 20000))]
			d := c.NewDecoder()
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(pcm, payload)
			}
		})
	}
}
