package script

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

func identityHeader(claims, params string) string {
	b := base64.RawURLEncoding.EncodeToString
	return b([]byte(`{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/p.cer"}`)) + "." + b([]byte(claims)) + ".c2lnbmF0dXJl" + params
}

func TestIdentity(t *testing.T) {
	const params = `;info=<https://cert.example.org/p.cer>;alg=ES256;ppt="shaken"`
	const tail = `"alg":"ES256","info":"https://cert.example.org/p.cer","ppt":"shaken","verified":false`
	for _, tt := range []struct{ what, value, want string }{
		{"whole", identityHeader(`{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567"}`, params),
			`{"alg":"ES256","attest":"A","dest":["12155551213"],"iat":1443208345,"info":"https://cert.example.org/p.cer","orig":"12155551212","origid":"123e4567","ppt":"shaken","verified":false}`},
		{"compact form", "..c2lnbmF0dXJl" + params, "{" + tail + "}"},
		{"uri", identityHeader(`{"dest":{"uri":["sip:a@b"]},"orig":{"uri":"sip:c@d"}}`, ""), `{"dest":["sip:a@b"],"orig":"sip:c@d","verified":false}`},
		{"odd types", identityHeader(`{"attest":5}`, params), "{" + tail + "}"},
		{"no base64", "a.%%%.c" + params, "{" + tail + "}"},
		{"one word", "nonsense", `{"verified":false}`},
		{"none", "", "null"},
		{"too long", strings.Repeat("a", MaxIdentity+1), "null"},
	} {
		got, _ := json.Marshal(readIdentity(tt.value))
		if string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
}

func TestIdentityOfACall(t *testing.T) {
	p := &phone{t: t}
	if got := p.run(`return String(call.identity)`); got != `"undefined"` {
		t.Error(got)
	}
	header := identityHeader(`{"attest":"B","orig":{"tn":"79161234567"}}`, ";ppt=shaken")
	p.facts = strings.Replace(factsJSON, `"headers":[`, `"headers":[["Identity","`+header+`"],["From","<sip:+7916@h;user=phone>;verstat=TN-Validation-Passed"],`, 1)
	if got := p.run(`return [call.identity.attest, call.identity.orig, call.identity.verified, call.identity.verstat, call.identity === call.identity]`); got != `["B","79161234567",false,"TN-Validation-Passed",true]` {
		t.Error(got)
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add(identityHeader(`{"attest":"A"}`, ";info=<x>"))
	f.Add("a.b.c;info")
	f.Fuzz(func(t *testing.T, value string) {
		if out := readIdentity(value); out != nil && out["verified"] != false {
			t.Fatal("something is verified")
		}
	})
}
