package script

import (
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

func TestFormat(t *testing.T) {
	tests := []struct{ source, want string }{
		{`return f.number(21, {gender: "f"})`, `"двадцать одна"`},
		{`return f.ordinal(21)`, `"двадцать первый"`},
		{`return f.count("5", {of: ["заказ", "заказа", "заказов"]})`, `"пять заказов"`},
		{`return f.money(2, {currency: "RUB", case: "gen"})`, `"двух рублей"`},
		{`return f.date(new Date("2025-08-16T00:00:00Z"), {case: "gen"})`, `"шестнадцатого августа"`},
		{`return f.date(new Date("2025-12-31T22:30:00Z"))`, `"первое января"`}, // in the project's zone
		{`return f.time(new Date("2025-12-31T22:05:00Z"))`, `"один час пять минут"`},
		{`return f.digits("12", {language: "en-US"})`, `"one two"`},
		{`f.number()`, `INVALID: format.number: undefined cannot be said | is the field missing in call.data?`},
		{`f.number(1, {kase: "gen"})`, `INVALID: format.number: unknown option "kase" | did you mean case?`},
		{`f.count(1, {of: "заказ"})`, `INVALID: format.count: option "of" is "заказ", the forms of a word such as ["заказ", "заказа", "заказов"] is wanted`},
	}
	for _, tt := range tests {
		o, _ := scripttest.Run{Source: `const f = require("loopstart:format");` + tt.source,
			Options: runtime.Options{Modules: []runtime.Module{Module()}}, Env: message.Environment{Language: "ru-RU", Zone: "Europe/Moscow"}}.Do(t)
		got := string(o.Value)
		if o.Error != nil {
			got = strings.TrimSuffix(fmt.Sprintf("%s: %s | %s", o.Error.Code, o.Error.Message, o.Error.Hint), " | ")
		}
		if got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
		}
	}
}
