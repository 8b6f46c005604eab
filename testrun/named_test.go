package testrun

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestScriptBeforeRoute is a project whose route is for every number, as that
// of the hello template: inbound({to: script}) means the script all the same.
func TestScriptBeforeRoute(t *testing.T) {
	r := runProject(t, map[string]string{
		"loopstart.yaml":   "routes:\n  - {to: \"*\", script: first}\n  - {to: \"+74950000001\", script: second}\n",
		"scripts/first.js": "export default async call => { await call.answer(); call.result = 'first'; };\n",
		"scripts/other.js": "export default async call => { await call.answer(); call.result = 'other'; };\n",
		"scripts/other.test.js": `import { expect, inbound, test } from "loopstart:test";
test("by name", async () => { expect((await (await inbound({ to: "other" })).ended()).result).toBe("other"); });
test("with data", async () => { expect((await (await inbound({ to: "other", data: { a: 1 } })).ended()).result).toBe("other"); });
test("by number", async () => { expect((await (await inbound({ to: "+74951234567" })).ended()).result).toBe("first"); });
test("of a name that is no script", async () => { expect((await (await inbound({ to: "nobody" })).ended()).result).toBe("first"); });
`,
	})
	if r.Failed > 0 || r.Passed != 4 {
		t.Errorf("%d passed, %d failed\n%s", r.Passed, r.Failed, show(r))
	}
}

// TestSoundIsHeardOnce has a sound with pauses between its words.
func TestSoundIsHeardOnce(t *testing.T) {
	r := runProject(t, map[string]string{
		"loopstart.yaml": "project: {language: en}\n",
		"scripts/a.js":   "export default async call => { await call.answer(); await call.play('welcome.wav'); await call.play('nothing.wav'); };\n",
		"scripts/a.test.js": `import { expect, inbound, test } from "loopstart:test";
test("once", async () => { const c = await inbound({ to: "a" }); await c.ended(); expect(c.heard).toEqual(["welcome.wav", "nothing.wav"]); });
`,
	})
	if r.Failed > 0 || r.Passed != 1 {
		t.Errorf("%d passed, %d failed\n%s", r.Passed, r.Failed, show(r))
	}
}

// runProject runs the tests of a project with those files.
func runProject(t *testing.T, files map[string]string) *Report {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Run(context.Background(), Options{Config: load(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestQuestionAfterRefusal hears what was wrong and the question as two
// sentences, so that a test may wait for the one and then for the other.
func TestQuestionAfterRefusal(t *testing.T) {
	r := runProject(t, map[string]string{
		"loopstart.yaml": "project: {language: en}\n",
		"scripts/a.js": `export default async call => {
  await call.gather({ prompt: "Your number?", digits: 1, attempts: 3, timeoutPrompt: "Nothing heard.", validate: (d) => d !== "1" || ["Not", { digits: d }] });
};`,
		"scripts/a.test.js": `import { inbound, test } from "loopstart:test";
test("three rounds", async () => {
  const c = await inbound({ to: "a" });
  await c.hears(/number/);
  c.press("1");
  await c.hears(/Not one/);
  await c.hears(/^Your number/);
  await c.silent("7s");
  await c.hears(/^Nothing heard.$/);
  await c.hears(/number/);
  c.press("2");
  await c.ended();
});
`,
	})
	if r.Failed > 0 || r.Passed != 1 {
		t.Errorf("%d passed, %d failed\n%s", r.Passed, r.Failed, show(r))
	}
}

// TestConsoleOfTests is what a test writes: all of it, and outside of tests
// nothing breaks.
func TestConsoleOfTests(t *testing.T) {
	r := runProject(t, map[string]string{
		"loopstart.yaml": "project: {language: en}\n",
		"scripts/a.js":   "export default async call => { await call.answer(); };\n",
		"scripts/a.test.js": `import { test } from "loopstart:test";
console.log("outside");
test("writes", () => { console.log("inside", { a: 1 }); });
`,
		"scripts/b.test.js": `import { test } from "loopstart:test";
import { stopList } from "loopstart:campaign";
stopList.add("+79161234567").catch((e) => console.log(e.code));
test("too early", () => {});
`,
	})
	if r.Failed > 0 || r.Passed != 2 {
		t.Fatalf("%d passed, %d failed\n%s", r.Passed, r.Failed, show(r))
	}
	want := []string{"a.test.js:2: outside", "a.test.js:3: inside { a: 1 }"}
	if got := r.Files[0].Tests[0].Printed; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestErrorTellsItsCallers shows by which awaits a script came to its error.
func TestErrorTellsItsCallers(t *testing.T) {
	r := runProject(t, map[string]string{
		"loopstart.yaml": "project: {language: en}\n",
		"scripts/a.js": `async function total(order, call) {
  await call.say("x");
  return order.lines.length;
}
const middle = async (call) => { const n = await total({}, call); return n; };
export default async function main(call) {
  await middle(call);
}
`,
		"scripts/a.test.js": `import { inbound, test } from "loopstart:test";
test("fails", async () => { await (await inbound({ to: "a" })).ended(); });
`,
	})
	log := strings.Join(r.Files[0].Tests[0].Log, "\n")
	for _, want := range []string{"at total (a.js:3:", "at middle (a.js:5:", "main (a.js:7:"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in\n%s", want, log)
		}
	}
}

// TestCommonJS has scripts in the older form of modules.
func TestCommonJS(t *testing.T) {
	r := runProject(t, map[string]string{
		"loopstart.yaml":  "project: {language: en}\n",
		"scripts/a.js":    "module.exports = async function (call) { await call.say('function'); };\nmodule.exports.config = { language: 'en-GB' };\n",
		"scripts/b.js":    "exports.default = async (call) => { await call.say('member'); };\n",
		"scripts/none.js": "module.exports = null;\n",
		"scripts/a.test.js": `import { expect, inbound, test } from "loopstart:test";
test("a function", async () => { const c = await inbound({ to: "a" }); await c.hears("function"); });
test("a member", async () => { const c = await inbound({ to: "b" }); await c.hears("member"); });
test("nothing", async () => {
  let why; try { await inbound({ to: "none" }); } catch (e) { why = e.message; }
  expect(why).toMatch(/exports nothing/);
});
`,
	})
	if r.Failed > 0 || r.Passed != 3 {
		t.Errorf("%d passed, %d failed\n%s", r.Passed, r.Failed, show(r))
	}
}
