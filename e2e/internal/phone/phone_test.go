package phone

import (
	"testing"
	"time"
)

func TestALawBothWays(t *testing.T) {
	for i := range 256 {
		if got := EncodeALaw(DecodeALaw(byte(i))); got != byte(i) {
			t.Errorf("%#02x becomes %d and then %#02x", i, DecodeALaw(byte(i)), got)
		}
	}
	for b, want := range map[byte]int16{0xd5: 8, 0x55: -8, 0xaa: 32256, 0x2a: -32256} { // ITU-T G.711 table 1a
		if got := DecodeALaw(b); got != want {
			t.Errorf("%#02x is %d, not %d", b, got, want)
		}
	}
}

func TestToneIsHeardThroughALaw(t *testing.T) {
	pcm := make([]int16, 8000)
	for i := range pcm {
		pcm[i] = DecodeALaw(EncodeALaw(Tone(500)(i)))
	}
	if d := ToneTime(pcm, 500); d != time.Second {
		t.Errorf("500 Hz is heard for %s of 1s", d)
	}
	if d := ToneTime(pcm, 800); d != 0 {
		t.Errorf("800 Hz is heard for %s", d)
	}
	if IsSilent(pcm[:block]) || !IsSilent(make([]int16, block)) {
		t.Error("silence is not told from a tone")
	}
}

func TestDigestExampleOfRFC7616(t *testing.T) {
	// §3.9.1, with cnonce and nc as there.
	got := Response("SHA-256", "Mufasa", "http-auth@example.org", "Circle of Life", "GET", "/dir/index.html",
		"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", 1)
	if want := "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}
