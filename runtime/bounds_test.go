package runtime

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime/message"
)

// TestGuardBounds gives built-ins what they still take, and one more. § stands
// for the number.
func TestGuardBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("lists grow to their limits here: under the race detector each for longer than a slice may last")
	}
	limitMatches()
	for _, c := range []struct {
		most   int
		source string
		limit  string
	}{
		{maxText, `"x".repeat(§)`, "text"},
		{maxText, `"".padEnd(§)`, "text"},
		{maxList, `new Array(§).fill(0)`, "list"},
		{maxList, `Array.from({ length: § })`, "list"},
		{maxBinary, `new ArrayBuffer(§)`, "buffer"},
		{maxBinary, `new Uint8Array(§)`, "buffer"},
		{maxWalked, `new Uint8Array(§).sort()`, "list"},
		{maxJSONDeep, `JSON.parse("[".repeat(§) + "]".repeat(§))`, "depth"},
		{maxJSONDeep, `(a => { for (let i = 2; i < §; i++) a = [a]; return JSON.stringify(a) })([1])`, "depth"},
		{maxJSONSize, `JSON.parse("[" + "1,".repeat(§ - 1) + "1]")`, "nodes"},
		{maxProxies, `(() => { for (let i = 0; i < §; i++) new Proxy({}, {}) })()`, "proxies"},
		{maxPattern, `new RegExp("x".repeat(§))`, "text"},
		{maxPatternDepth, `new RegExp("(".repeat(§) + ")".repeat(§))`, "regexp"},
		{maxPatternCount / 100, `new RegExp("(?:a{100}){" + § + "}")`, "regexp"},
		{maxCompare/2000 + 2000, `"x".repeat(§).indexOf("x".repeat(1999) + "y")`, "compare"},
	} {
		for extra, want := range map[int]string{0: "done", 1: "(limit " + c.limit + ")"} {
			source := strings.ReplaceAll(c.source, "§", fmt.Sprint(c.most+extra))
			if got := endsHow(t, source); !strings.Contains(got, want) {
				t.Errorf("%s: %s", clip(source, 90), got)
			}
		}
	}
}

// TestTreeDepth: the bundle's own wrapper takes some of it.
func TestTreeDepth(t *testing.T) {
	deep := func(n int) message.Outcome {
		return newHost(t, testOptions(Light)).run(`exports.default = () => 1` + strings.Repeat("+1", n))
	}
	if o := deep(maxTreeDepth - 50); o.Error != nil {
		t.Errorf("%+v", o.Error)
	}
	if o := deep(maxTreeDepth); o.Error == nil || !strings.Contains(o.Error.Message, "nested too deep") {
		t.Errorf("%+v", o.Error)
	}
}

func TestDecodeDepth(t *testing.T) {
	vm := bareVM(t)
	for depth, ok := range map[int]bool{maxDecodeDepth: true, maxDecodeDepth + 1: false} {
		if _, err := vm.Decode([]byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))); (err == nil) != ok {
			t.Errorf("%d: %v", depth, err)
		}
	}
}

func TestVMsAreBounded(t *testing.T) {
	w := newWorker(nil, Options{})
	w.versions[versionKey{"s", "1"}] = newVersion(message.Bundle{Script: "s"}, Light)
	for i := range uint64(MaxVMs) {
		w.vms[i+1] = nil
	}
	if _, err := w.add(MaxVMs+1, message.Entry{Script: "s", Version: "1"}); err == nil || !strings.Contains(err.Error(), "(limit vms)") {
		t.Fatal(err)
	}
	if got := dataLimit(MaxVMs).Cur; got > dataLimit(MaxVMs).Max {
		t.Errorf("that many may have %d bytes", got)
	}
}

func TestRejectionsAreBounded(t *testing.T) {
	vm := &VM{}
	for range maxRejections + 1 {
		vm.trackRejection(&goja.Promise{}, goja.PromiseRejectionReject)
	}
	if len(vm.rejected) != maxRejections {
		t.Fatalf("%d are remembered", len(vm.rejected))
	}
}

// TestErrorBounds: an error may say so much and no more.
func TestErrorBounds(t *testing.T) {
	run := func(source string) *message.ScriptError {
		t.Helper()
		o := testHost(t).run(source)
		if o.Error == nil {
			t.Fatalf("%s: no error", clip(source, 80))
		}
		return o.Error
	}
	if e := run(fmt.Sprintf(`exports.default = () => { throw new Error("y".repeat(%d)) }`, maxErrorText+1)); strings.Count(e.Message, "y") > maxErrorText {
		t.Errorf("a message of %d", len(e.Message))
	}
	if e := run(fmt.Sprintf(`exports.default = () => { throw new Error("y".repeat(%d)) }`, maxErrorText)); strings.Count(e.Message, "y") != maxErrorText {
		t.Errorf("a message of %d", len(e.Message))
	}
	if e := run(fmt.Sprintf(`const f = (n) => { if (n === 0) throw new Error("deep"); return 1 + f(n - 1) }; exports.default = () => f(%d)`, maxErrorStack+5)); len(e.Stack) != maxErrorStack {
		t.Errorf("%d frames", len(e.Stack))
	}
	causes := `let e = new Error("c0"); for (let i = 1; i < 9; i++) e = new Error("c" + i, { cause: e }); throw e`
	if e := run(`exports.default = () => { ` + causes + ` }`); strings.Count(e.Message, "; cause: ") != maxCauses {
		t.Errorf("%s", e.Message)
	}
	var chain strings.Builder
	for i := range maxAwaited + 5 {
		fmt.Fprintf(&chain, "const f%d = async () => { await f%d() };\n", i+1, i)
	}
	o := fmt.Sprintf("const f0 = async () => { await host('open') };\n%sexports.default = async () => { setTimeout(() => { throw new Error('x') }, 1); await f%d() }", chain.String(), maxAwaited+5)
	h := testHost(t)
	h.load("1", o)
	vm := h.start("1", "default", nil)
	h.clock.Settle()
	h.clock.Advance(1e9)
	if e := h.outcome(vm).Error; e == nil || len(e.Awaited) != maxAwaited {
		t.Errorf("%+v", e)
	}
}

// TestStackTextIsBounded: a script may set the property to anything.
func TestStackTextIsBounded(t *testing.T) {
	vm := bareVM(t)
	for n, want := range map[int]int{maxStackString: maxStackString, maxStackString + 1: maxStackString} {
		v, err := vm.rt.RunString(fmt.Sprintf(`({ stack: "y".repeat(%d) })`, n))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(vm.text(v.ToObject(vm.rt), "stack"), "y"); got > want || got < want-10 {
			t.Errorf("%d of %d", got, n)
		}
	}
}

// TestPlacesAreBounded: the cache of places, and the frames of one place.
func TestPlacesAreBounded(t *testing.T) {
	vm := bareVM(t)
	deepest := 0
	if err := vm.rt.Set("here", func(goja.FunctionCall) goja.Value {
		frames := vm.frames()
		deepest = max(deepest, len(frames))
		for _, f := range frames {
			vm.version.place(f)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := vm.rt.RunScript(vm.version.name, `const f = (n) => { if (n) f(n - 1); else here() }; f(`+fmt.Sprint(maxFrames+5)+");\n"+strings.Repeat("here();", maxPlaces+5)); err != nil {
		t.Fatal(err)
	}
	if deepest != maxFrames || len(vm.version.places) != maxPlaces {
		t.Errorf("%d frames, %d places", deepest, len(vm.version.places))
	}
}

// TestStepVariablesAreBounded: how many of them a step shows, and how much of
// each.
func TestStepVariablesAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxStepNames + 4 {
		fmt.Fprintf(&b, "  const v%d = \"y\".repeat(%d);\n", i, 2*maxStepLocal)
	}
	steps, o := stepsOf(t, Light, nil, map[string]string{"main.ts": "export default async function () {\n" + b.String() + "  await 1;\n}\n"})
	if o.Error != nil || len(steps) == 0 {
		t.Fatalf("%d steps, %+v", len(steps), o.Error)
	}
	if got := strings.Count(steps[0], " = "); got != maxStepNames {
		t.Errorf("%d variables: %s", got, steps[0])
	}
	if got := strings.Count(steps[0], "y"); got > maxStepNames*maxStepLocal || got < maxStepNames*(maxStepLocal-2) {
		t.Errorf("%d characters of them", got)
	}
}

func TestConcealedAreBounded(t *testing.T) {
	vm := bareVM(t)
	vm.version.bundle.Steps = true
	for i := range maxConcealed + 1 {
		vm.Conceal(fmt.Sprint("pin ", i))
	}
	if len(vm.concealed) != maxConcealed || vm.concealed[0] != "pin 1" {
		t.Errorf("%d, the oldest is %s", len(vm.concealed), vm.concealed[0])
	}
}
