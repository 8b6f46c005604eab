package runtime

import (
	"os"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/scripts"
)

// What esbuild puts around a script is known to the letter: when this fails
// after a new version of it, bundleHelpers and bundleExports follow.
func TestLighten(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		left  []string // of the helpers
	}{
		"short":   {map[string]string{"main.ts": `export default async (call) => { await call.answer(); };`}, nil},
		"exports": {map[string]string{"main.ts": `export const config = { a: 1 }; export async function afterCall() {}; export default class A {}; export { config as "a-b" };`}, nil},
		"built-in": {map[string]string{"main.ts": `import { queue } from "loopstart:call"; export { get } from "loopstart:core";
			export default () => queue("a");`}, nil},
		"module":    {map[string]string{"main.ts": `import { a } from "./lib.ts"; export default () => a;`, "lib.ts": `export const a = 1;`}, nil},
		"namespace": {map[string]string{"main.ts": `import * as lib from "./lib.ts"; export default () => Object.keys(lib);`, "lib.ts": `export const a = 1, b = 2;`}, []string{"__export", "__defProp"}},
		"package": {map[string]string{"main.ts": `import lib from "./lib.ts"; export default () => lib.a;`, "lib.ts": `module.exports = { a: 1 };`},
			[]string{"__copyProps", "__hasOwnProp", "__getOwnPropNames", "__getOwnPropDesc", "__defProp"}},
		"mentioned": {map[string]string{"main.ts": "export default () => `\n__export(main_exports, {\n` + `\nvar __defProp = Object.defineProperty;\n`;"}, []string{"__export", "__defProp"}},
		"CommonJS":  {map[string]string{"main.ts": `exports.default = () => 1;`}, nil},
	} {
		b := bundle(t, c.files, "main.ts")
		got := lighten(b.Source)
		if strings.Count(got, "\n") != strings.Count(b.Source, "\n") {
			t.Errorf("%s: lines have moved:\n%s", name, got)
		}
		for _, h := range bundleHelpers {
			kept := false
			for _, left := range c.left {
				kept = kept || left == h.name
			}
			if strings.Contains(got, "var "+h.name+" = ") != kept {
				t.Errorf("%s: %s: want %t in\n%s", name, h.name, kept, got)
			}
		}
		whole, err := Inspect(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b.Source = "\n" + b.Source // no bundle of esbuild's: stays as it is
		b.Map = ""
		if lighten(b.Source) != b.Source {
			t.Errorf("%s: changed all the same", name)
		}
		if plain, err := Inspect(b); err != nil || strings.Join(plain.Exports, " ") != strings.Join(whole.Exports, " ") || string(plain.Config) != string(whole.Config) {
			t.Errorf("%s: exports %v, %v of the whole bundle (%v)", name, whole.Exports, plain.Exports, err)
		}
	}
}

// A script that is built as the engine builds it answers the same from a bundle
// with and without its helpers.
func TestLightenedRuns(t *testing.T) {
	files := map[string]string{"main.ts": `import * as lib from "./lib.ts"; export { twice as "default" }; const twice = async () => [lib.a, Object.keys(lib), new Error("x").stack];`,
		"lib.ts": `export const a = 1, b = 2;`}
	b := bundle(t, files, "main.ts")
	h := testHost(t)
	h.loadBundle(b)
	light := h.outcome(h.start("ts", "default", nil))
	b.Version, b.Source = "whole", strings.Replace(b.Source, "\n\n// ", "\n;\n// ", 1)
	if lighten(b.Source) != b.Source {
		t.Error("changed all the same")
	}
	h.loadBundle(b)
	if whole := h.outcome(h.start("whole", "default", nil)); string(light.Value) != string(whole.Value) || !strings.Contains(string(light.Value), "main.ts:1:") {
		t.Errorf("%s %v, the whole bundle %s %v", light.Value, light.Error, whole.Value, whole.Error)
	}
}

// The build of the scripts package is what [lighten] is made for.
func TestLightenedBuild(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/main.ts", []byte(`export default async (call) => { await call.answer(); };`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := scripts.Bundle(scripts.BuildRequest{Dir: dir, Script: "main", Entry: "main.ts"})
	if got := lighten(r.Source); strings.Contains(got, "__") {
		t.Errorf("%s", got)
	}
}
