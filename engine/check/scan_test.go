package check

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/scripts"
)

// findings reads one source as Check does, with no build child.
func findings(t *testing.T, name, text string) []string {
	t.Helper()
	cfg, err := config.Parse([]byte(`{sip: {users: {"101": {password: abc}}}, groups: {sales: {members: ["101"]}}, schedules: {office: {open: {daily: "09:00-18:00"}}}, secrets: {KEY: abc}}`), "", config.Options{Env: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	c := &checking{cfg: cfg, project: t.TempDir(), built: map[string]scripts.BuildResult{}}
	r := &reading{checking: c, ctx: t.Context(), entry: scripts.Entry{Name: "x"}, folder: c.project, language: "ru-RU"}
	readSource(r, name, text)
	var out []string
	for _, f := range c.findings {
		out = append(out, string(f.Level)+" "+f.Place+" "+f.Message)
	}
	return out
}

// TestScanKnowsItsLimits: what cannot be known is not complained about.
func TestScanKnowsItsLimits(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"text that looks like code", "const s = \"call.play('x.wav')\"; // call.play('y.wav')", ""},
		{"another object", `export default async (call) => { player.play("intro"); data = { play: "fairly" }; }`, ""},
		{"another object with a file", `player.play("intro.wav")`, "warning x.ts:1:13 prompt file intro.wav not found"},
		{"a leg of dial", `const leg = await dial("101"); await leg.call.play("nope.wav")`, "warning x.ts:1:52 prompt file nope.wav not found"},
		{"a part", `export default async (call) => { await call.answer(); void call.prompt([{ play: "nope.wav" }]); }`, "error x.ts:1:81 prompt file nope.wav not found"},
		{"music of a conference", `import { conference } from "loopstart:call"; export default async (call) => { await conference("a").join(call, { music: "nope.mp3" }); }`, "error x.ts:1:121 prompt file nope.mp3 not found"},
		{"built in", `call.play("welcome.wav"); call.play("tone:440"); call.play("https://a.b/c.wav")`, ""},
		{"bad tone", `export default async (call) => { await call.play("tone:x"); }`, "error x.ts:1:50 media: tone"},
		{"own function named next", `function next(a) {} next("nowhere");`, ""},
		{"schedule", `import { next as soon } from "loopstart:time"; soon("offce");`, `error x.ts:1:53 there is no schedule "offce"`},
		{"own secrets", `const secrets = new Map(); secrets.get("A");`, ""},
		{"secrets", `import { secrets } from "loopstart:core"; secrets.get("A"); secrets.get("KEY");`, `error x.ts:1:55 there is no secret "A"`},
		{"call is something else too", `export default async (call) => { for (const call of calls) call.number(); }`, ""},
		{"member", `export default async function ring(c) { c.sya("a"); await c.answer(); }`, "warning x.ts:1:43 a call has no sya"},
		{"annotated", `async function f(x: number, leg: Call) { leg.conference("a"); }`, "error x.ts:1:46 a call has no conference"},
		{"property of a property", `export default async (call) => { box.call.stream(); call.data.stream(); }`, ""},
		{"option", `export default async (call) => { await call.transfer("101", { attended: x }); await call.sendMessage("a"); x.transfer({ a: { attended: 1 } }); }`, ""},
		{"stream and speech", `export default async (call) => { await call.gather({ digits: 1, speech: true, timeoutPrompt: "x" }); await call.stream("ws://a"); }`, "note x.ts:1:65 gather: there is no speech recogniser"},
		{"targets", `call.connect(["sales", "102x", { to: "z" }], { trunk: "t" })`, `error x.ts:1:24 there is no group, user or number "102x"|error x.ts:1:55 there is no trunk "t"`},
		{"queue", `import { queue, agent } from "loopstart:call"; await queue("slaes").enter(call); await queue("sales").entr(call); queue("sales").enter(call); await agent("1O1").away(); await queue(name).x(); await agent("101").ready();`,
			`error x.ts:1:60 there is no group "slaes"|warning x.ts:1:103 a queue has no entr|warning x.ts:1:115 queue(…).enter is not awaited: the script goes on before it is done|error x.ts:1:155 there is no user "1O1"|warning x.ts:1:188 a queue has no x`},
		{"own queue", `const queue = (a) => a; queue("nowhere").enter(1);`, ""},
		{"numbers", `call.connect("8 (916) 123-45-67"); call.connect("*21"); call.connect(who)`, ""},
		{"half a source", "call.connect([`a${", ""},
	} {
		got := findings(t, "x.ts", c.source)
		want := strings.Split(c.want, "|")
		if c.want == "" {
			want = nil
		}
		if len(got) != len(want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
			continue
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("%s: %q, want %q", c.name, got[i], want[i])
			}
		}
	}
}

// FuzzScan: no source makes the check panic.
func FuzzScan(f *testing.F) {
	for _, s := range []string{`import { flow } from "loopstart:flow"; export default flow(async (f) => { f.step(`, `export default`, `export default async function`, `import { a as`, `call.connect([`, `x.gather({`, "import {", `.play("`} {
		f.Add(s)
	}
	cfg, err := config.Parse(nil, "", config.Options{Env: map[string]string{}})
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		c := &checking{cfg: cfg, project: dir, built: map[string]scripts.BuildResult{}}
		readSource(&reading{checking: c, ctx: t.Context(), folder: dir, language: "en"}, "x.ts", text)
	})
}
