package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// bareVM is a VM with a goja runtime and no worker.
func bareVM(t testing.TB) *VM {
	w := newWorker(nil, Options{})
	v := newVersion(message.Bundle{Script: "test"}, Light)
	vm := &VM{version: v, worker: w, limits: v.limits, callbacks: map[uint32]goja.Callable{}, pending: map[uint32]*hostCall{}}
	if err := vm.boot(); err != nil {
		t.Fatal(err)
	}
	return vm
}

func TestEncode(t *testing.T) {
	vm := bareVM(t)
	for source, want := range map[string]string{
		`undefined`:                       ``,
		`null`:                            `null`,
		`() => 1`:                         ``,
		`Symbol("x")`:                     ``,
		`true`:                            `true`,
		`-0`:                              `-0`,
		`1.5`:                             `1.5`,
		`1e21`:                            `1e+21`,
		`0.0000001`:                       `1e-07`,
		`NaN`:                             `null`,
		`-Infinity`:                       `null`,
		`123456789012345678901234567890n`: `"123456789012345678901234567890"`,
		`"Привет \"мир\"\n\t\u0000😀"`: `"Привет \"мир\"\n\u0009\u0000😀"`,
		`"\ud83d"`:                                              `"�"`,
		`({b: 1, a: undefined, c: () => 1})`:                    `{"b":1}`,
		`[undefined, () => 1, , 2]`:                             `[null,null,null,2]`,
		`new Date(Date.UTC(2026, 10, 21))`:                      `"2026-11-21T00:00:00.000Z"`,
		`new Date(NaN)`:                                         `null`,
		`/a.b/gi`:                                               `"/a.b/gi"`,
		`new Uint8Array([1, 2, 255])`:                           `{"$bytes":"AQL/"}`,
		`new Uint8Array([1, 2, 255]).subarray(1)`:               `{"$bytes":"Av8="}`,
		`new Uint8Array([1, 2]).buffer`:                         `{"$bytes":"AQI="}`,
		`new Number(5)`:                                         `5`,
		`new String("x")`:                                       `"x"`,
		`new Boolean(false)`:                                    `false`,
		`({toJSON() { return {x: 1} }})`:                        `{"x":1}`,
		`Object.assign(new TypeError("no"), {code: "MEDIA"})`:   `{"name":"TypeError","message":"no","code":"MEDIA"}`,
		`new (class A { x = 1; #y = 2; get z() { return 3 } })`: `{"x":1}`,
		`(() => { const o = {}; return [o, o] })()`:             `[{},{}]`,
		`({"__proto__x": 1, ["__proto__"]: 2})`:                 `{"__proto__x":1,"__proto__":2}`,
		`new Proxy({a: 1}, {})`:                                 `{"a":1}`,
		`(function () { return arguments })(1, 2)`:              `{"0":1,"1":2}`,
	} {
		v, err := vm.rt.RunString("(" + source + ")")
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		got, err := vm.Encode(v)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, want %s, %v", source, got, want, err)
		}
		if len(got) > 0 && !json.Valid(got) {
			t.Errorf("%s: no JSON: %s", source, got)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	vm := bareVM(t)
	for source, want := range map[string]struct {
		code fault.Code
		part string
	}{
		`Promise.resolve(1)`: {fault.Invalid, "a promise"},
		`new Map()`:          {fault.Invalid, "a Map"},
		`new Set()`:          {fault.Invalid, "a Set"},
		`(() => { const o = {}; o.o = o; return o })()`: {fault.Invalid, "contains itself"},
		`"x".repeat(5e6)`:                       {fault.Limit, "body_bytes"},
		`new Array(4294967295)`:                 {fault.Limit, "nodes"},
		fmt.Sprintf("1n << %dn", maxBigIntBits): {fault.Limit, "bigint"},
		`new Uint8Array(4e6)`:                   {fault.Limit, "body_bytes"},
	} {
		v, err := vm.rt.RunString("(" + source + ")")
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if _, err := vm.Encode(v); fault.CodeOf(err) != want.code || !strings.Contains(err.Error(), want.part) {
			t.Errorf("%s: %v", source, err)
		}
	}
	v, err := vm.rt.RunString(`({get x() { throw new RangeError("mine") }})`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vm.Encode(v); err == nil || !strings.Contains(err.Error(), "mine") {
		t.Errorf("getter: %v", err)
	}
}

func TestEncodeGoData(t *testing.T) {
	vm := bareVM(t)
	fn, err := vm.rt.RunString(`(() => 1)`)
	if err != nil {
		t.Fatal(err)
	}
	enc := encoder{vm: vm, maxBytes: 1000, functions: true}
	got, err := enc.encode(map[string]any{
		"text": "a", "fn": fn, "gone": goja.Undefined(), "list": []any{1, nil, fn}, "raw": json.RawMessage(`{"x":1}`), "bytes": []byte{1}, "n": 1.5,
	})
	want := `{"bytes":{"$bytes":"AQ=="},"fn":{"$fn":1},"list":[1,null,{"$fn":2}],"n":1.5,"raw":{"x":1},"text":"a"}`
	if err != nil || string(got) != want {
		t.Fatalf("%s %v", got, err)
	}
	if !reflect.DeepEqual(enc.callbacks, []uint32{1, 2}) || len(vm.callbacks) != 2 {
		t.Fatalf("%v %v", enc.callbacks, vm.callbacks)
	}
}

func TestDecode(t *testing.T) {
	vm := bareVM(t)
	vm.must(vm.rt.GlobalObject().Set("check", vm.rt.ToValue(func(c goja.FunctionCall) goja.Value {
		v, err := vm.Decode(json.RawMessage(c.Argument(0).String()))
		if err != nil {
			panic(vm.rt.ToValue(err.Error()))
		}
		return v
	})))
	for source, want := range map[string]string{
		`check('{"b":1,"a":[true,false,null,-1.5e3,"\\u0041\\n"]}')`: `{"b":1,"a":[true,false,null,-1500,"A\u000a"]}`,
		`Object.keys(check('{"b":1,"a":2}'))`:                        `["b","a"]`,
		`check('{"__proto__":{"x":1}}').x === undefined`:             `true`,
		`check('{"$bytes":"AQL/"}') instanceof Uint8Array`:           `true`,
		`check('{"$bytes":"AQL/"}').length`:                          `3`,
		`check('{"$bytes":"AQL/","x":1}').x`:                         `1`,
		`check('9007199254740993')`:                                  `9007199254740992`,
		`Object.is(check('-0'), -0)`:                                 `true`,
		`check('1e999') === Infinity`:                                `true`,
		`check(' [ ] ').length`:                                      `0`,
	} {
		v, err := vm.rt.RunString(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got, err := vm.Encode(v); err != nil || string(got) != strings.ReplaceAll(want, `\u000a`, `\n`) {
			t.Errorf("%s: %s, want %s, %v", source, got, want, err)
		}
	}
	for _, bad := range []string{`{`, `[1,]`, `{"a"}`, `{"a":1,}`, `nul`, `"x`, `"\x"`, "\"\n\"", `01`, `1 2`, `{a:1}`, `{"$bytes":"!"}`, strings.Repeat("[", 1000)} {
		if v, err := vm.Decode(json.RawMessage(bad)); err == nil {
			t.Errorf("%s: %v", bad, v)
		}
	}
}

// FuzzDecode compares the decoder with encoding/json: the same texts are
// accepted, and a value goes through unchanged.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\u0041",null,true]}`, `-0`, `{"$bytes":"AQ=="}`, `"\ud800"`, `[[[]]]`, `1e400`, "\"\xff\"", `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	vm := bareVM(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 || bytes.Contains(text, []byte("$bytes")) {
			return
		}
		v, err := vm.Decode(text)
		if err != nil {
			if json.Valid(text) && !strings.Contains(err.Error(), "limit depth") {
				t.Fatalf("refused %q: %v", text, err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("accepted %q", text)
		}
		back, err := vm.Encode(v)
		if err != nil {
			if strings.Contains(err.Error(), "(limit depth)") {
				return
			}
			t.Fatalf("%q: %v", text, err)
		}
		var want, got any
		if json.Unmarshal(text, &want) != nil { // a number that is out of range
			return
		}
		if err := json.Unmarshal(back, &got); err != nil || !reflect.DeepEqual(want, got) {
			t.Fatalf("%q became %q: %v", text, back, err)
		}
	})
}
