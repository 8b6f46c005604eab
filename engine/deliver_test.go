package engine

import (
	"encoding/json"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
	corehost "github.com/loopstart/loopstart/stdlib/core/host"
)

// What could never be delivered is refused before it is stored.
func TestDeliverRefusesWhatCannotWork(t *testing.T) {
	p := serve(t, "secrets: {SIGN: s3}\n", map[string]string{
		"open.js":   `export default async function (call) {}`,
		"narrow.js": `export const config = {permissions: {http: ["127.0.0.1:9"]}}; export default async function (call) {}`,
	})
	for _, tt := range []struct {
		script, url, sign string
		want              fault.Code
	}{
		{"open", "https://crm.example.ru/hook", ``, ""},
		{"open", "https://crm.example.ru/hook", `"SIGN"`, ""},
		{"open", "https://crm.example.ru/hook", `"SING"`, fault.NotFound},
		{"open", "https://crm.example.ru/hook", `true`, fault.NotFound},
		{"open", "http://127.0.0.1:9/", ``, fault.Denied},
		{"open", "http://169.254.169.254/latest", ``, fault.Denied},
		{"open", "ftp://crm.example.ru/", ``, fault.Invalid},
		{"narrow", "http://127.0.0.1:9/", ``, ""},
		{"narrow", "https://crm.example.ru/hook", ``, fault.Denied},
	} {
		v, err := p.scripts.Current(tt.script)
		if err != nil {
			t.Fatal(err)
		}
		d := corehost.Delivery{URL: tt.url, Method: "POST", Kind: "none"}
		if tt.sign != "" {
			d.Sign = json.RawMessage(tt.sign)
		}
		_, err = scriptOutbox{p.Engine, tt.script, p.settings.of(v).Permissions.HTTP}.Deliver(d)
		if (err != nil || tt.want != "") && fault.CodeOf(err) != tt.want {
			t.Errorf("%s to %s, sign %s: %v, want %q", tt.script, tt.url, tt.sign, err, tt.want)
		}
	}
}
