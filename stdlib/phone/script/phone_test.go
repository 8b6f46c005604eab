package script

import (
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

func TestPhone(t *testing.T) {
	tests := []struct{ source, want string }{
		{`return phone.e164("8 (916) 123-45-67")`, `"+79161234567"`},
		{`return phone.e164(89161234567)`, `"+79161234567"`},
		{`return [phone.e164("101"), phone.e164("anna"), phone.region("x"), phone.zone(""), phone.format("x")]`, `[null,null,null,null,null]`},
		{`const p = phone.parse("+7 916 123-45-67"); return [p.e164, p.code, p.national, p.region, p.valid, p.kind, p.zone]`, `["+79161234567","7","9161234567","RU",true,"mobile","Europe/Moscow"]`},
		{`return phone.region("87071234567", {country: "KZ"})`, `"KZ"`},
		{`return phone.zone("+74232123456")`, `"Asia/Vladivostok"`},
		{`return [phone.format("+79161234567"), phone.format("+79161234567", {style: "digits"}), phone.format("79161234567", {style: "national"})]`, `["+79161234567","79161234567","89161234567"]`},
		{`phone.parse("anna")`, `INVALID: phone.parse: "anna" is no telephone number | phone.e164 gives undefined instead`},
		{`phone.e164()`, `INVALID: phone.e164: undefined is no telephone number | pass a text such as call.from.e164`},
		{`phone.e164("1", {country: "Russia"})`, `INVALID: phone.e164: option "country" is "Russia", a country such as RU is wanted`},
		{`phone.format("1", {style: "e614"})`, `INVALID: phone.format: option "style" is "e614", one of e164, digits, national is wanted | did you mean e164?`},
	}
	for _, tt := range tests {
		o, _ := scripttest.Run{Source: `const phone = require("loopstart:phone");` + tt.source,
			Options: runtime.Options{Modules: []runtime.Module{Module()}}, Env: message.Environment{Country: "RU"}}.Do(t)
		got := string(o.Value)
		if o.Error != nil {
			got = strings.TrimSuffix(fmt.Sprintf("%s: %s | %s", o.Error.Code, o.Error.Message, o.Error.Hint), " | ")
		}
		if got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
		}
	}
}
