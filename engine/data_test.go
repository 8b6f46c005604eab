package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

// A value of the wrong kind is refused before the call, not found in it.
func TestDataKinds(t *testing.T) {
	for kind, values := range map[string]struct{ good, bad string }{
		"string":  {`"x" 5 true`, `{} [1]`},
		"number":  {`5 -1.5 "1521,50" "1 000"`, `"five" true [] {}`},
		"money":   {`5 "1521,50" "1 521.50" "1,000.50"`, `"abc" false`},
		"date":    {`"2026-12-31" "31.12.2026" "31.12.26" "2026-12-31T10:00:00Z"`, `"soon" "31.13.2026" 20261231`},
		"time":    {`"09:30" "9:30" "2026-12-31T10:00:00Z"`, `"noon" "25:00" 930`},
		"phone":   {`"+79161234567" "8 916 123-45-67" 79161234567`, `"abc" "12"`},
		"boolean": {`true false "true" "0"`, `"maybe" 5`},
		"any":     {`1 {} []`, ``},
	} {
		st := &Static{Data: map[string]string{"f": kind, "other": kind + "?"}}
		check := func(list string, want fault.Code) {
			for _, v := range split(list) {
				err := st.CheckData(json.RawMessage(`{"f":`+v+`}`), "RU")
				if (err != nil || want != "") && fault.CodeOf(err) != want {
					t.Errorf("%s %s: %v", kind, v, err)
				}
			}
		}
		check(values.good, "")
		check(values.bad, fault.Invalid)
		if err := st.CheckData(json.RawMessage(`{"other":"x"}`), "RU"); err == nil || !strings.Contains(err.Error(), "data.f is missing") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestAllThatIsMissingIsNamed: nobody has to find them one by one.
func TestAllThatIsMissingIsNamed(t *testing.T) {
	st := &Static{Data: map[string]string{"b": "string", "a": "date", "c": "string?", "d": "money"}}
	for data, want := range map[string]string{
		`{}`: "data.a is missing, and so are data.b, data.d", `{"a":"2026-12-31","d":" "}`: "data.b is missing, and so is data.d",
		`{"a":"2026-12-31","b":null,"d":1}`: "data.b is missing", `{"a":"2026-12-31","b":"x","d":1}`: "",
	} {
		got := ""
		if err := st.CheckData(json.RawMessage(data), "RU"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
}

// split parts JSON values at spaces outside of texts.
func split(list string) []string {
	var out []string
	dec := json.NewDecoder(strings.NewReader(list))
	for dec.More() {
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return out
		}
		out = append(out, string(v))
	}
	return out
}
