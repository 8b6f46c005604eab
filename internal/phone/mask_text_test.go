package phone

import "testing"

func TestMaskText(t *testing.T) {
	number := Mask("+79161234567")
	for text, want := range map[string]string{
		"":                                   "",
		"called +79161234567 twice":          "called " + number + " twice",
		"sip:+79161234567@10.0.0.1:5060":     "sip:" + number + "@10.0.0.1:5060",
		"+7 (916) 123-45-67, +79161234567":   number + ", " + number,
		"79161234567":                        Mask("79161234567"),
		"order 4031 of 2026-11-21 10:00":     "order 4031 of 2026-11-21 10:00",
		"at 2026-11-21T10:00:00Z":            "at 2026-11-21T10:00:00Z",
		"call m3k9x2p7q4 01k7a1234567890b.1": "call m3k9x2p7q4 01k7a1234567890b.1",
		"ext 101 and 12-34":                  "ext 101 and 12-34",
		`{"phone":"89161234567","n":15}`:     `{"phone":"` + Mask("89161234567") + `","n":15}`,
	} {
		if got := MaskText(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMaskRuns(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"sip:+79161234567@10.0.0.1":         "sip:" + Mask("+79161234567") + "@10.0.0.1",
		"79161234567 refused":               Mask("79161234567") + " refused",
		"ports 40000-49999, 67108864 bytes": "ports 40000-49999, 67108864 bytes",
		"01k7a1234567890b.1 2026-11-21":     "01k7a1234567890b.1 2026-11-21",
	} {
		if got := MaskRuns(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
