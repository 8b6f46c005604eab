package check

import (
	"testing"
)

func TestCheckFlows(t *testing.T) {
	const open = `import { flow, signal } from "loopstart:flow"; import { kv, sleep } from "loopstart:core";` + "\nexport default flow(async (f) => {\n  "
	const step = " outside of a step: a flow is run again from its journal at every wake-up, and this would be done each time"
	for _, c := range []struct{ name, source, want string }{
		{"in order", open + `await f.step("a", async () => { await fetch("https://a.ru"); await kv.set("a", 1); }); const p = f.event("x"); return p; });`, ""},
		{"helpers", open + `const g = async (x) => fetch(x); function h() { return kv.get("a"); } await f.step("a", () => g(h())); await f.call({ to: "+7", unless: async () => kv.get("b") }); });`, ""},
		{"a member", open + `await f.stepp("a", () => 1); });`, "warning x.ts:3:11 a flow has no stepp|did you mean step?"},
		{"not awaited", open + "f.sleep(\"1h\");\n  f.step(\"a\", () => 1); });", "warning x.ts:3:3 f.sleep is not awaited;warning x.ts:4:3 f.step is not awaited"},
		{"fetch", open + `await fetch("https://a.ru"); });`, "error x.ts:3:9 fetch" + step},
		{"kv and sleep", open + `if (await kv.get("a")) await sleep("1s"); });`, "error x.ts:3:13 kv" + step + ";error x.ts:3:32 sleep" + step},
		{"beside a call", `import { flow as durable } from "loopstart:flow"; export const onFlow = durable(async function (g) { await g.slep(1); }); export default async (call) => { await call.answer(); await fetch("https://a.ru"); };`,
			"warning x.ts:1:110 a flow has no slep|did you mean sleep?"},
	} {
		wantFindings(t, c.name, c.source, c.want)
	}
}
