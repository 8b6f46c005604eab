package check

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/scripts"
)

// lint reads one source and gives level, place, message and hint of what was
// found.
func lint(t *testing.T, text string) []Finding {
	t.Helper()
	cfg, err := config.Parse([]byte(`{sip: {users: {"101": {password: abc}}}, groups: {sales: {members: ["101"]}}}`), "", config.Options{Env: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	c := &checking{cfg: cfg, project: t.TempDir(), built: map[string]scripts.BuildResult{}, entries: []scripts.Entry{{Name: "order"}, {Name: "survey"}}}
	readSource(&reading{checking: c, ctx: t.Context(), entry: scripts.Entry{Name: "x"}, folder: c.project, language: "en"}, "x.ts", text)
	return c.findings
}

func TestLints(t *testing.T) {
	const open = "export default async (call) => {\n  await call.answer();\n  "
	const core = `import { kv, webhook, sleep, lock } from "loopstart:core";` + "\n"
	const awaited = "is not awaited: the script goes on before it is done|write await "
	const silent = "nothing is said to a caller who presses nothing: after this menu's attempts the call just ends|look at the result"
	for _, c := range []struct{ name, source, want string }{
		// Verbs.
		{"a verb", open + `call.say("a"); }`, "warning x.ts:3:3 call.say " + awaited + "call.say(…), or void call.say(…)"},
		{"behind an if", open + `if (a) call.say("a"); else call.play("tone:440"); }`, "warning x.ts:3:10 call.say " + awaited + ";warning x.ts:3:30 call.play " + awaited},
		{"a line without a semicolon", open + "x = \"a\"\n  call.hangup()\n }", "warning x.ts:4:3 call.hangup " + awaited},
		{"kv and webhook", core + `kv.set("a", 1); webhook.deliver("https://a", {}); sleep("1s"); lock("a", f); void kv.set("a", 1); kv.get("a");`,
			"warning x.ts:2:1 kv.set " + awaited + ";warning x.ts:2:17 webhook.deliver " + awaited + ";warning x.ts:2:51 sleep " + awaited + ";warning x.ts:2:64 lock " + awaited},
		{"dial", `import { dial } from "loopstart:call"; dial("101");`, "warning x.ts:1:40 dial " + awaited},
		{"what is awaited", open + "const p = call.say(\"a\"); void call.say(\"b\"); await Promise.all([call.say(\"c\"), call.play(\"tone:440\")]);\n return call.say(\"d\"); }", ""},
		{"what is chained", open + `call.say("a").then(b); call.on("digit", () => call.say("x")); x = y ? call.say("a") : call.say("b"); call.stop(); call.log("a"); call.tag("a", "b"); }`, ""},
		{"another object", `player.say("a"); kv.set("a", 1);`, ""},
		// Options.
		{"an option", open + `await call.gather({ digits: 1, promt: "a" }); }`, "error x.ts:3:34 gather has no option promt|did you mean prompt?"},
		{"an option of say", open + `await call.say({ digits: "1" }, { volum: 1, loop: true }); }`, "error x.ts:3:37 say has no option volum|did you mean volume?"},
		{"nothing like it", open + `await call.connect("sales", { xyzzy: 1 }); }`, "error x.ts:3:33 connect has no option xyzzy|the options are accept, from"},
		{"what only looks like one", open + `await call.gather({ ...rest, digits: { min: 1, maks: 2 }, validate(d) { return { foo: 1 }; }, "prompt": { play: x } }); }`, ""},
		{"a part", open + `await call.say({ foo: 1 }); await call.connect({ to: "sales", delya: 1 }); }`, ""},
		{"nobody to listen", open + `const g = await call.gather({ prompt: "a", speech: true }); }`, "note x.ts:3:46 gather: there is no speech recogniser, so this ends with UNAVAILABLE|configure speech.asr"},
		// Menus.
		{"nothing looks at it", open + `await call.menu({ prompt: "a", choices: { 1: f } }); }`, "warning x.ts:3:14 " + silent},
		{"only its own values", open + `const m = await call.menu({ prompt: "a", choices: { 1: "b" } }); if (m.value === "b") { await call.say("c"); } }`, "warning x.ts:3:24 " + silent},
		{"a switch", open + `const m = await call.menu({ choices: { 1: "b" } }); switch (m.value) { case "b": await call.say("c"); } }`, "warning x.ts:3:24 " + silent},
		{"a switch with default", open + `const m = await call.menu({ choices: { 1: "b" } }); switch (m.value) { case "b": break; default: await call.say("c"); } }`, ""},
		{"its reason", open + `const m = await call.menu({ choices: { 1: "b" } }); if (m.reason === "timeout") await call.say("c"); }`, ""},
		{"an else", open + `const m = await call.menu({ choices: { 1: "b" } }); if (m.value === "b") { await call.say("c"); } else { await call.say("d"); } }`, ""},
		{"a default value", open + `const m = await call.menu({ choices: { 1: "b" } }); call.result = m.value ?? "none"; }`, ""},
		{"something follows", open + `await call.menu({ choices: { 1: f } }); await call.say("bye"); }`, ""},
		{"something follows the branch", open + `if (a) { await call.menu({ choices: { 1: f } }); } await call.say("bye"); }`, ""},
		{"something follows both branches", open + `if (a(b)) { f(); } else if (c) { await call.menu({ choices: { 1: f } }); } else { f(); } return line(call); }`, ""},
		{"nothing follows the branch", open + `if (a) { await call.menu({ choices: { 1: f } }); } }`, "warning x.ts:3:23 " + silent},
		{"a loop", open + `for (;;) { const m = await call.menu({ choices: { 1: "b" } }); if (m.value === "b") break; } }`, ""},
		{"a prompt for it", open + `await call.menu({ choices: { 1: f }, timeoutPrompt: "a" }); }`, ""},
		{"taken apart", open + `const { value, reason } = await call.menu({ choices: { 1: "b" } }); if (reason) f(); }`, ""},
		{"given on", open + `return await call.menu({ choices: { 1: "b" } }); }`, ""},
		// Secrets.
		{"a token", `const apiToken = "9f8a7d6c5b4a3928";`, "warning x.ts:1:18 this looks like a secret: whoever reads the script has it|put it into .env"},
		{"a password", `fetch(u, { password: "correct-h0rse" });`, "warning x.ts:1:22 this looks like a secret"},
		{"a header", `const h = { Authorization: "Bearer abcdefghijklmnop123" };`, "warning x.ts:1:28 this looks like a secret"},
		{"an address with a user", `fetch("https://user:pass@crm.example.ru/a");`, "warning x.ts:1:7 this looks like a secret"},
		{"a hook of Bitrix24", `fetch("https://x.bitrix24.ru/rest/1/abcdefgh12345678/crm.lead.add");`, "warning x.ts:1:7 this looks like a secret"},
		{"a key", "const k = `-----BEGIN RSA PRIVATE KEY-----\nMII`;", "warning x.ts:1:11 this looks like a secret"},
		{"no secrets", `const token = "token"; const x = { password: "короткий", secret: true, token: process }; config = { hook: { token: "s3cret-1234", rate: 5 } }; apiKey = "API_KEY_NAME";`, ""},
		// Names.
		{"a fallback", `export const config = { fallback: [{ say: "a" }, { connect: "slaes" }, { connect: ["101", "nobody"] }] };`,
			`error x.ts:1:61 there is no group, user or number "slaes"|did you mean sales?;error x.ts:1:91 there is no group, user or number "nobody"|add it to groups or sip.users`},
		{"dial and transfer", `import { dial } from "loopstart:call"; ` + open + `await dial("slaes"); await call.transfer("nobody"); await call.transfer("8 916 123-45-67"); }`,
			`error x.ts:3:14 there is no group, user or number "slaes"|did you mean sales?;error x.ts:3:44 there is no group, user or number "nobody"`},
		{"scripts", `import { start } from "loopstart:flow"; import { schedule } from "loopstart:campaign"; start("ordr", { key }); schedule({ to: "+7", script: "servey" }); start("order"); start(name);`,
			`error x.ts:1:94 there is no script "ordr"|did you mean order?;error x.ts:1:141 there is no script "servey"|did you mean survey?`},
	} {
		for _, f := range wantFindings(t, c.name, c.source, c.want) {
			if secret := strings.Contains(f.Message, "secret"); secret != (f.Frame == "") {
				t.Errorf("%s: frame %q", c.name, f.Frame)
			}
		}
	}
}

// wantFindings lints a source and compares: "level place message|hint", by
// semicolons, each as it begins.
func wantFindings(t *testing.T, name, source, wanted string) []Finding {
	t.Helper()
	var want []string
	if wanted != "" {
		want = strings.Split(wanted, ";")
	}
	got := lint(t, source)
	if len(got) != len(want) {
		t.Errorf("%s: %d findings, want %d: %+v", name, len(got), len(want), got)
		return nil
	}
	for i, f := range got {
		message, hint, _ := strings.Cut(want[i], "|")
		if said := string(f.Level) + " " + f.Place + " " + f.Message; !strings.HasPrefix(said, message) || !strings.HasPrefix(f.Hint, hint) {
			t.Errorf("%s: %q, hint %q, want %q", name, said, f.Hint, want[i])
		}
	}
	return got
}
