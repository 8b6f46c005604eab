package runtime

import "testing"

// TestDecodeLater leaves one array of the outermost object as text, and nothing
// else.
func TestDecodeLater(t *testing.T) {
	vm := bareVM(t)
	for _, c := range []struct{ text, left, rest string }{
		{`{"a":1,"h":[["x","]\"["],[]],"b":{"h":[1]}}`, `[["x","]\"["],[]]`, `{"a":1,"b":{"h":[1]}}`},
		{`{ "h" : [ ] }`, `[ ]`, `{}`},
		{`{"h":[{"a":["\\"]}],"a":2}`, `[{"a":["\\"]}]`, `{"a":2}`},
		{`{"h":"no array"}`, ``, `{"h":"no array"}`},
		{`[{"h":[1]}]`, ``, `[{"h":[1]}]`},
		{`{"a":1}`, ``, `{"a":1}`},
	} {
		v, left, err := vm.DecodeLater([]byte(c.text), "h")
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		rest, err := vm.Encode(v)
		if err != nil || string(left) != c.left || string(rest) != c.rest {
			t.Errorf("%s: %s and %s (%v)", c.text, left, rest, err)
		}
	}
	for _, text := range []string{`{"h":[`, `{"h":["`, `{"h":["\`, `{"h":[1]`, `{"h":[1],}`} {
		if _, _, err := vm.DecodeLater([]byte(text), "h"); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
