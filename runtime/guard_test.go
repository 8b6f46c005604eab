package runtime

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime/message"
)

// showSource writes a value so that two VMs can be compared.
const showSource = `function show(v, depth = 0) {
	if (depth > 4) return "…";
	if (typeof v === "string") return "'" + v + "'";
	if (typeof v === "function") return "function";
	if (typeof v === "symbol") return "symbol";
	if (Object.is(v, -0)) return "-0";
	if (v === null || typeof v !== "object") return "" + v;
	const kind = Object.prototype.toString.call(v);
	let out = kind + "{";
	if (v instanceof Map || v instanceof Set) { for (const e of v) out += show(e, depth + 1) + ","; return out + "}"; }
	for (const k of Object.getOwnPropertyNames(v)) if (k !== "stack") out += k + ":" + show(v[k], depth + 1) + ",";
	return out + "}";
}
function attempt(f) { try { return show(f()) } catch (e) { return "throws " + (e && e.name) } }
`

func compatLines(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/guard/compat.js")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && !strings.HasPrefix(line, "//") {
			lines = append(lines, line)
		}
	}
	return lines
}

func fullHost(t testing.TB) *host { return newHost(t, testOptions(Full)) }

// TestFullGuardIsCompatible compares every checked built-in with the engine's.
func TestFullGuardIsCompatible(t *testing.T) {
	lines := compatLines(t)
	if len(lines) < 200 {
		t.Fatalf("only %d lines", len(lines))
	}
	h := fullHost(t)
	bare := goja.New()
	if _, err := bare.RunString(showSource); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString(showSource + "exports.default = () => [\n")
	for _, line := range lines {
		script.WriteString("attempt(() => (" + line + ")),\n")
	}
	o := h.run(script.String() + "]")
	var got []string
	if err := json.Unmarshal(o.Value, &got); err != nil {
		t.Fatalf("%+v", o.Error)
	}
	for i, line := range lines {
		v, err := bare.RunString(`(function () { "use strict"; return attempt(() => (` + line + `)) })()`)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if want := v.String(); got[i] != want {
			t.Errorf("%s\n guarded %s\n bare    %s", line, got[i], want)
		}
	}
}

// TestFullGuardRefuses has a built-in on each line that would run or allocate
// without end, and the limit that is named.
func TestFullGuardRefuses(t *testing.T) {
	if testing.Short() {
		t.Skip("lists grow to their limits here: under the race detector each for longer than a slice may last")
	}
	limitMatches()
	endless := map[string]string{
		`"x".repeat(2 ** 40)`:                    "text",
		`"x".repeat({ valueOf: () => 2 ** 30 })`: "text",
		`"x".padEnd(2 ** 30)`:                    "text",
		`"x".padStart(1e12, "ab")`:               "text",
		`"x".concat(..."y".repeat(1000).split("").map(() => "z".repeat(5000)))`:                            "text",
		`"x".repeat(1e5).replaceAll("x", "y".repeat(1e5))`:                                                 "text",
		`"x".repeat(1e5).replace(/x/g, "y".repeat(1e5))`:                                                   "text",
		`"x".repeat(1e5).replace(/x/g, () => "y".repeat(1e5))`:                                             "text",
		`"x".repeat(1e5).replaceAll("x", () => "y".repeat(1e5))`:                                           "text",
		`"x".repeat(1e5).replaceAll("x", "$'")`:                                                            "text",
		`"x".repeat(1e6).split("")`:                                                                        "list",
		`"я".repeat(1e6).indexOf("я".repeat(5e5) + "a")`:                                                   "compare",
		`String.raw({ raw: { length: 2 ** 53 } })`:                                                         "list",
		`[].indexOf.call({ length: 2 ** 53 }, 1)`:                                                          "list",
		`[].indexOf.call({ get length() { return 2 ** 53 } }, 1)`:                                          "list",
		`[].every.call({ length: 2 ** 53 }, Object)`:                                                       "list",
		`new Array(1e7).fill(0)`:                                                                           "list",
		`new Array(4e9).reverse()`:                                                                         "list",
		`(a => { for (let i = 0; i < 40; i++) a = [a, a]; return a.join() })([1])`:                         "list",
		`(a => { for (let i = 0; i < 40; i++) a = [a, a]; return a.flat(Infinity) })([1])`:                 "list",
		`(a => { for (let i = 0; i < 300; i++) a = [a]; return String(a) })([1])`:                          "depth",
		`new Array(1e5).fill("x".repeat(1e5)).join()`:                                                      "text",
		`Math.max.apply(0, { length: 4e9 })`:                                                               "list",
		`Reflect.apply(Math.max, 0, { length: 4e9 })`:                                                      "list",
		`Reflect.construct(Array, { length: 4e9 })`:                                                        "list",
		`Array.from({ length: 4e9 })`:                                                                      "list",
		`Array.from((function* () { for (;;) yield 1 })())`:                                                "list",
		`[...(function* () { for (;;) yield 1 })()]`:                                                       "list",
		`[...{ [Symbol.iterator]: () => ({ next: Object }) }]`:                                             "list",
		`Math.max(...{ [Symbol.iterator]: () => ({ next: Object }) })`:                                     "list",
		`(([...a]) => a)({ [Symbol.iterator]: () => ({ next: Object }) })`:                                 "list",
		`Object.fromEntries({ [Symbol.iterator]: () => ({ next: Object }) })`:                              "list",
		`new Uint8Array({ [Symbol.iterator]: () => ({ next: Object }) })`:                                  "list",
		`new Uint8Array(2 ** 40)`:                                                                          "buffer",
		`new Float64Array(2 ** 24)`:                                                                        "buffer",
		`new ArrayBuffer(2 ** 40)`:                                                                         "buffer",
		`new (new ArrayBuffer(1).constructor)(2 ** 40)`:                                                    "buffer",
		`new (new Uint8Array(1).constructor)(2 ** 40)`:                                                     "buffer",
		`new (new Uint8Array(1).buffer.constructor)(2 ** 40)`:                                              "buffer",
		`JSON.parse("[".repeat(1e6))`:                                                                      "depth",
		`JSON.parse("[" + "1,".repeat(1e6) + "1]")`:                                                        "nodes",
		`(a => { for (let i = 0; i < 40; i++) a = [a, a]; return JSON.stringify(a) })([1])`:                "nodes",
		`(a => { for (let i = 0; i < 40; i++) a = { a, b: a }; return JSON.stringify(a, ["a", "b"]) })(1)`: "nodes",
		`(a => { for (let i = 0; i < 400; i++) a = [a]; return JSON.stringify(a) })([1])`:                  "depth",
		`JSON.stringify(new Array(1e6))`:                                                                   "list",
		`new RegExp("(".repeat(1e5))`:                                                                      "text",
		`"x".match("(".repeat(60) + ")".repeat(60))`:                                                       "regexp",
		`/x/.constructor("((a{1000}){1000}){1000}")`:                                                       "regexp",
		`"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!".match(/^((a+)+)\2$/)`:                                     "regexp",
		`/^((a+)+)\2$/.test("a".repeat(40) + "!")`:                                                         "regexp",
		`(p => { for (;;) p = new Proxy(p, {}) })({})`:                                                     "proxies",
		`(f => { for (;;) f = f.bind() })(() => 1)`:                                                        "proxies",
		`Object.keys("x".repeat(1e6))`:                                                                     "list",
		`({ ..."x".repeat(1e6) })`:                                                                         "list",
	}
	for source, limit := range endless {
		t.Run(clip(source, 60), func(t *testing.T) {
			text := ""
			for range 5 { // on a busy machine a short match may take too long, and a long one be given up too early
				if text = endsHow(t, source); strings.Contains(text, "(limit "+limit+")") {
					break
				}
			}
			if !strings.HasPrefix(text, `"LIMIT`) || !strings.Contains(text, "(limit "+limit+")") {
				t.Fatal(text)
			}
		})
	}
	for source, code := range map[string]string{
		`(t => { const p = new Proxy(t, {}); Object.setPrototypeOf(t, p) })({})`:  "DENIED",
		`(t => { const p = new Proxy(t, {}); t.__proto__ = p })({})`:              "DENIED",
		`(t => { const p = new Proxy(t, {}); Reflect.setPrototypeOf(t, p) })({})`: "DENIED",
		`Object.create(new Proxy({}, {}))`:                                        "DENIED",
		`typeof BigInt === "undefined" && (() => { throw { code: "GONE" } })()`:   "GONE",
	} {
		if o := fullHost(t).run(`exports.default = () => { try { ` + source + ` } catch (e) { return e.code } }`); string(o.Value) != `"`+code+`"` {
			t.Errorf("%s: %s %+v", source, o.Value, o.Error)
		}
	}
}

// endsHow runs an expression that does not end by its time.
func endsHow(t *testing.T, source string) string {
	h := fullHost(t)
	h.limits = message.Limits{Heap: 1 << 32, SliceCPU: 5 * time.Minute}
	o := h.run(showSource + `exports.default = () => { try { ` + source + `; return "done" } catch (e) { return e.code + e.message } }`)
	if o.Error != nil {
		return "uncaught " + o.Error.Code + o.Error.Message
	}
	return string(o.Value)
}

// TestLoopsOfNativesEnd has loops in which no instruction of the script is
// run; only the time limit can end them.
func TestLoopsOfNativesEnd(t *testing.T) {
	for _, source := range []string{
		`new Set({ [Symbol.iterator]: () => ({ next: Object }) })`,
		`new Map({ [Symbol.iterator]: () => ({ next: Array.prototype.at.bind([{ value: [1, 2] }], 0) }) })`,
		`Promise.all({ [Symbol.iterator]: () => ({ next: Object }) })`,
		`const t = {}; t.then = Promise.prototype.then.bind(Promise.resolve(t)); return t`,
	} {
		h := fullHost(t)
		h.limits = message.Limits{Heap: 256 << 20}
		o := h.run(`exports.default = () => { ` + source + ` }`)
		if o.Error == nil || o.Error.Code != "LIMIT" {
			t.Errorf("%s: %s %+v", source, o.Value, o.Error)
		}
	}
}

func TestFilterRefuses(t *testing.T) {
	for source, want := range map[string]string{
		`exports.default = () => 12345678901234567890n`:                                       "BigInt",
		`exports.default = () => /((a{1000}){1000}){1000}/`:                                   "multiply",
		`exports.default = () => /` + strings.Repeat("(", 60) + strings.Repeat(")", 60) + `/`: "nested deeper",
		`exports.default = () => 1` + strings.Repeat("+1", 5000):                              "nested too deep",
	} {
		for _, guard := range []Guard{Light, Full} {
			o := newHost(t, testOptions(guard)).run(source)
			if o.Error == nil || o.Error.Name != "SyntaxError" || !strings.Contains(o.Error.Message, want) || !strings.HasPrefix(o.Error.Place, "test.bundle.js:1:") {
				t.Errorf("%s: %+v", clip(source, 60), o.Error)
			}
		}
	}
}

// TestPatternsOfPeople are expressions of popular packages; counts side by side
// are no reason to refuse them, those around each other are.
func TestPatternsOfPeople(t *testing.T) {
	for _, p := range []string{
		`^[^\s@"]{1,64}@[^\s@]{1,255}$`,
		`^(?=.{1,253}\.?$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-0-9a-zA-Z]{0,61}[0-9a-zA-Z])?)*\.?$`,
		`^(?:[a-z0-9]{1,63}\.){1,127}[a-z]{2,63}$`,
		`(?<year>\d{4})-(?<month>\d{2})(?<!x{50})`,
		`[{]{100}[(]{100}\({100}\{1000000}{a}{,5}`,
	} {
		if why := badPattern(p); why != "" {
			t.Errorf("%s: %s", p, why)
		}
	}
	for _, p := range []string{
		`((((a{20}){20}){20}){20})`, `(?:(?<n>ab{50}){50}){50}`, `a{10001}`, `(a{500}|b{500}){11}`, `a{99999999999999999999}`, `(?:[(]{101}\({101}){101}`,
	} {
		if badPattern(p) == "" {
			t.Errorf("%s is allowed", p)
		}
	}
}

// TestGuardOfTheBundle takes the stricter of the two.
func TestGuardOfTheBundle(t *testing.T) {
	for _, c := range []struct {
		least Guard
		asked string
		full  bool
	}{{Light, "", false}, {Light, "light", false}, {Light, "full", true}, {Full, "", true}, {Full, "light", true}, {Light, "bad", true}} {
		h := newHost(t, testOptions(c.least))
		h.loadBundle(message.Bundle{Script: "test", Version: "1", Guard: c.asked, Source: `exports.default = () => typeof BigInt`})
		if o := h.outcome(h.start("1", "default", nil)); (string(o.Value) == `"undefined"`) != c.full {
			t.Errorf("%+v: %s", c, o.Value)
		}
	}
}
