package runtime

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/runtime/message"
)

// stepsOf runs TypeScript with step tracing and returns what it has told, as
// "place: lines".
func stepsOf(t *testing.T, guard Guard, prepare func(*host), files map[string]string) (steps []string, o message.Outcome) {
	t.Helper()
	h := newHost(t, testOptions(guard))
	h.answer = func(r message.Request) (any, *message.Error, bool) {
		if r.Method == "fail" {
			return nil, &message.Error{Code: "MEDIA", Message: "no such file: hello.wav"}, true
		}
		return r.Args, nil, true
	}
	if prepare != nil {
		prepare(h)
	}
	b := bundle(t, files, "main.ts")
	b.Steps = true
	h.loadBundle(b)
	o = h.outcome(h.start("ts", "default", map[string]string{"name": "Anna"}))
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.requests {
		var text string
		if r.Method == "step" && json.Unmarshal(r.Args, &text) == nil {
			steps = append(steps, r.At+": "+strings.ReplaceAll(text, "\n", " | "))
		}
	}
	return steps, o
}

func TestStepsShowEachAwait(t *testing.T) {
	for _, guard := range []Guard{Light, Full} {
		steps, o := stepsOf(t, guard, nil, map[string]string{
			"main.ts": `import { twice } from "./lib.ts";
const limit = 3;
export default async function (call: { name: string }) {
  const { name } = call;
  const first: number = await twice(limit);
  for (const n of [1, 2]) {
    await host("say", [name, n]);
  }
  try {
    const [, ...rest] = [1, 2, 3];
    await host("fail", rest);
  } catch (e) {
    const why = (e as Error).message;
    await null;
    return why + first;
  }
}
declare function host(method: string, args?: unknown): Promise<unknown>;
`,
			"lib.ts": `export async function twice(x: number) {
  const helper = () => later;
  await host("x", x);
  const later = x * 2;
  return later;
}
declare function host(method: string, args?: unknown): Promise<unknown>;
`,
		})
		if o.Error != nil || string(o.Value) != `"no such file: hello.wav6"` {
			t.Fatalf("%s %v", o.Value, o.Error)
		}
		want := []string{
			`lib.ts:3:3: await host("x", x); | → 3 | x = 3`,
			`main.ts:5:25: const first: number = await twice(limit); | → 6 | name = "Anna"`,
			`main.ts:7:5: await host("say", [name, n]); | → ["Anna",1] | name = "Anna", first = 6, n = 1`,
			`main.ts:7:5: await host("say", [name, n]); | → ["Anna",2] | name = "Anna", first = 6, n = 2`,
			`main.ts:11:5: await host("fail", rest); | ✗ MEDIA: no such file: hello.wav | name = "Anna", first = 6, rest = [2,3]`,
			`main.ts:14:5: await null; | → null | name = "Anna", first = 6, e = {"name":"Error","message":"no such file: hello.wav","code":"MEDIA"}, why = "no such file: hello.wav"`,
		}
		if !slices.Equal(steps, want) {
			t.Errorf("guard %d: got\n%s", guard, strings.Join(steps, "\n"))
		}
	}
}

// A traced script runs in the very order of one that is not.
func TestStepsChangeNoOrder(t *testing.T) {
	source := map[string]string{"main.ts": `
export default async function () {
  const seen: string[] = [];
  const one = async (name: string, wait: unknown) => { seen.push(name + "0"); await wait; seen.push(name + "1"); await 0; seen.push(name + "2"); throw name; };
  const thenable = { then(ok: (v: string) => void) { seen.push("then"); ok("t"); } };
  const all = [one("a", null), one("b", Promise.resolve()), one("c", host("x")), one("d", thenable), one("e", Promise.reject(1))];
  Promise.resolve().then(() => seen.push("p"));
  for (const r of await Promise.allSettled(all)) seen.push(String((r as any).reason));
  return seen;
}
declare function host(method: string): Promise<unknown>;
`}
	_, traced := stepsOf(t, Light, nil, source)
	h := testHost(t)
	h.answer = echo
	h.loadBundle(bundle(t, source, "main.ts"))
	plain := h.outcome(h.start("ts", "default", nil))
	if traced.Error != nil || string(plain.Value) != string(traced.Value) {
		t.Errorf("traced %s\nplain  %s\n%v", traced.Value, plain.Value, traced.Error)
	}
}

func TestStepsShowNoSecrets(t *testing.T) {
	prepare := func(h *host) { h.env.Secrets = map[string]string{"TOKEN": "sesame-7"} }
	steps, o := stepsOf(t, Light, prepare, map[string]string{"main.ts": `
export default async function () {
  const url = "https://crm/?t=sesame-7&x=" + "y".repeat(200);
  const pin = await host("pin", "4711");
  conceal(pin); conceal("9");
  const part = { pin: "PIN 4711", one: "9", year: "1999" };
  await host("say", [pin, part]);
}
declare function host(method: string, args?: unknown): Promise<unknown>;
declare function conceal(text: unknown): void;
`})
	if o.Error != nil {
		t.Fatal(o.Error)
	}
	last := steps[len(steps)-1]
	for _, bad := range []string{"sesame", "4711", `"9"`} {
		if strings.Contains(last, bad) {
			t.Errorf("%s stands in %s", bad, last)
		}
	}
	for _, good := range []string{"https://crm/?t=•••&x=yyy", `PIN •••`, "1999", "…"} {
		if !strings.Contains(last, good) {
			t.Errorf("%s does not stand in %s", good, last)
		}
	}
}

func TestStepsAreBounded(t *testing.T) {
	patient := func(h *host) { h.limits = message.Limits{SliceCPU: 30 * time.Second} }
	steps, o := stepsOf(t, Light, patient, map[string]string{"main.ts": `
export default async function () {
  const long = "x".repeat(5000);
  for (let i = 0; i < 3000; i++) await long;
}
`})
	if o.Error != nil {
		t.Fatal(o.Error)
	}
	size := 0
	for _, s := range steps {
		size += len(s)
	}
	if len(steps) < 100 || size > 3*maxStepBytes {
		t.Errorf("%d steps, %d bytes", len(steps), size)
	}
	if n := len([]rune(steps[0])); n > maxStepValue+2*maxStepLine {
		t.Errorf("a step of %d characters", n)
	}
}
