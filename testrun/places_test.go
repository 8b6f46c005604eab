package testrun

import (
	"strings"
	"testing"
)

// TestPlaceOfLaterAttempts: what gather does after validate has refused, also
// when it fails then, is told with the line of that gather.
func TestPlaceOfLaterAttempts(t *testing.T) {
	r := runProject(t, map[string]string{
		"loopstart.yaml": "project: {language: en}\n",
		"scripts/a.js": `export default async (call) => {
  await call.answer();
  await call.gather({
    prompt: "Which?", digits: 1, attempts: 3,
    validate: async (digits) => { await null; return digits === "1" ? { play: "missing.wav" } : "No." },
  });
};
`,
		"scripts/a.test.js": `import { expect, inbound, test } from "loopstart:test";
test("fails", async () => {
  const c = await inbound({ to: "a" });
  await c.hears("Which"); c.press("2"); await c.hears("No."); await c.hears("Which"); c.press("1");
  const r = await c.ended();
  expect(r.outcome).toBe("served");
});
test("no matcher", () => { expect(1).toHaveBeenCalledTwice(); });
test("matchers", () => {
  expect(null).toBeNull(); expect(0).toBeDefined(); expect(undefined).not.toBeDefined(); expect(2).toBeGreaterThanOrEqual(2); expect(2).not.toBeLessThanOrEqual(1);
});
`,
	})
	if r.Failed != 2 || r.Passed != 1 {
		t.Fatalf("%d passed, %d failed\n%s", r.Passed, r.Failed, show(r))
	}
	failed := r.Files[0].Tests[0]
	prompts := 0
	for _, e := range failed.Calls[0].Timeline {
		if e.Kind == "prompt" && strings.HasPrefix(e.Detail, "start") && !strings.Contains(e.Detail, "apology") || e.Kind == "gather" || e.Kind == "error" {
			if prompts++; e.Source != "a.js:3:14" {
				t.Errorf("%+v", e)
			}
		}
	}
	if prompts < 4 {
		t.Error(show(r))
	}
	if e := r.Files[0].Tests[1].Error; e == nil || !strings.Contains(e.Message, "toHaveBeenCalledTwice: there is no such matcher") || !strings.Contains(e.Hint, "toBeDefined") {
		t.Errorf("%+v", e)
	}
}
