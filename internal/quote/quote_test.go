package quote

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzAppendJSON(f *testing.F) {
	f.Add("INVITE sip:a@b SIP/2.0\r\nSubject: \"x\\y\"\t\x00\x1f\x7f\r\n\r\nжук \U0001d11e \xff <&>\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		raw := AppendJSON([]byte("before "), s)
		var got string
		if err := json.Unmarshal(raw[len("before "):], &got); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); got != want && got != string([]rune(s)) {
			t.Fatalf("%q became %q", s, got)
		}
	})
}
