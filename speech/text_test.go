package speech

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestNormalise(t *testing.T) {
	for in, want := range map[string]string{
		" раз\t два \r\n три ": "раз два три", "a\x00b\x1b[31mc\x7f": "ab[31mc", "за\u0301мок": "за\u0301мок", "и\u0306": "й",
		"a\u00adb\u200bc\u202ed\ufeff": "abcd", "a\xffb": "a b", "1\u00a0500": "1 500", "\ue000x": "x",
	} {
		if got, err := Normalise(in); got != want || err != nil {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for in, code := range map[string]fault.Code{
		"": fault.Invalid, " \n\x00\u200b": fault.Invalid, strings.Repeat("я", MaxText+1): fault.Limit, strings.Repeat(" ", 17*MaxText): fault.Limit,
	} {
		if _, err := Normalise(in); fault.CodeOf(err) != code {
			t.Errorf("%.10q: %v, want %s", in, err, code)
		}
	}
	if got, err := Normalise(strings.Repeat("я", MaxText)); err != nil || utf8.RuneCountInString(got) != MaxText {
		t.Error(err)
	}
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"раз два", "\x00\xff", "за\u0301мок", "\u202e\u00a0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := Normalise(in)
		if err != nil {
			return
		}
		again, err := Normalise(out)
		if err != nil || again != out || strings.TrimSpace(out) != out || strings.ContainsFunc(out, unicode.IsControl) || !utf8.ValidString(out) {
			t.Fatalf("%q → %q → %q %v", in, out, again, err)
		}
	})
}

func TestRepairWAV(t *testing.T) {
	pcm := bytes.Repeat([]byte{1, 2}, 800)
	good := wrapPCM(pcm, 8000)
	sizes := func(riff, data uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[4:], riff)
		binary.LittleEndian.PutUint32(b[40:], data)
		return b
	}
	odd := append(bytes.Clone(good[:36]), append([]byte("LIST\x03\x00\x00\x00abc\x00"), good[36:]...)...)
	for name, in := range map[string][]byte{
		"good": good, "zero": sizes(0, 0), "all ones": sizes(0xffffffff, 0xffffffff), "guess": sizes(0x7ffff024, 0x7ffff000),
		"other chunk": odd, "half a sample": append(sizes(0, 0), 9), "chunk behind": append(bytes.Clone(good), "LIST\x04\x00\x00\x00abcd"...),
	} {
		out, length, err := repairWAV(in)
		if err != nil || !bytes.Equal(out, good) || length != 100*time.Millisecond {
			t.Errorf("%s: %d bytes, %s, %v", name, len(out), length, err)
		}
	}
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	for name, in := range map[string][]byte{
		"nothing": nil, "short": good[:20], "header only": good[:44], "no RIFF": change(0, 'X'), "no WAVE": change(8, 'X'), "no fmt": change(12, 'X'), "no data": change(36, 'X'),
		"no channels": change(22, 0), "ten channels": change(22, 10), "no rate": change(24, 0, 0, 0, 0), "odd align": change(32, 3), "no bits": change(34, 0), "one byte": append(bytes.Clone(good[:44]), 1),
	} {
		if out, _, err := repairWAV(in); err == nil {
			t.Errorf("%s: %d bytes", name, len(out))
		}
	}
}

func FuzzRepairWAV(f *testing.F) {
	f.Add(wrapPCM(make([]byte, 100), 8000))
	f.Add(streamed(make([]byte, 101), 24000))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, length, err := repairWAV(in)
		if err != nil {
			return
		}
		again, sameLength, err := repairWAV(out)
		if err != nil || !bytes.Equal(out, again) || length != sameLength || length <= 0 {
			t.Fatalf("%d → %d bytes, %s → %s, %v", len(out), len(again), length, sameLength, err)
		}
	})
}

func BenchmarkCached(b *testing.B) {
	s, err := New(Options{Dir: b.TempDir(), Chain: []Synthesizer{&voice{name: "v"}}})
	must(b, err)
	u := Utterance{Text: "Ваш заказ прибыл в пункт выдачи.", Language: "ru-RU"}
	_, err = s.Render(b.Context(), u)
	must(b, err)
	for b.Loop() {
		if clip, err := s.Render(b.Context(), u); err != nil || !clip.Cached {
			b.Fatal(clip, err)
		}
	}
}
