package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBundlesHoldNoForeignData: a script that can be uploaded by somebody
// cannot read the machine's files by importing them.
func TestBundlesHoldNoForeignData(t *testing.T) {
	top := t.TempDir()
	dir, out := filepath.Join(top, "scripts"), t.TempDir()
	write(t, top, map[string]string{"run.json": `{"token":"sesame"}`, "env": "PASSWORD='sesame'", "notes.txt": "sesame", "style.css": "a{color:sesame}", "shared.ts": "export default 'shared';",
		"node_modules/p/package.json": `{"main":"i.js"}`, "node_modules/p/i.js": "module.exports = require('./d.json');", "node_modules/p/d.json": `"packed"`})
	write(t, dir, map[string]string{"own.json": `"mine"`, "own.txt": "mine", "_lib/d.json": `"lib"`, "big": "x = 'sesame'"})
	write(t, out, map[string]string{"d.json": `"linked"`})
	for name, to := range map[string]string{"_out": out, "_lib/slip.json": filepath.Join(top, "run.json")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct{ source, holds string }{
		{`import x from "./own.json"; export default () => x;`, "mine"},
		{`import x from "./own.txt"; export default () => x;`, "mine"},
		{`import x from "./_lib/d.json"; export default () => x;`, "lib"},
		{`import x from "./_out/d.json"; export default () => x;`, "linked"},
		{`import x from "p"; export default () => x;`, "packed"},
		{`import x from "../shared"; export default () => x;`, "shared"},
		{`import x from "../run.json"; export default () => x;`, ""},
		{`import x from "` + top + `/run.json"; export default () => x;`, ""},
		{`import x from "../notes.txt"; export default () => x;`, ""},
		{`import x from "./_lib/slip.json"; export default () => x;`, ""},
		{`const x = require("../run.json"); export default () => x;`, ""},
		{`export default async () => await import("../run.json");`, ""},
		{`import x from "../env" with {type: "text"}; export default () => x;`, ""},
		{`import x from "../env" with {type: "bytes"}; export default () => x;`, ""},
		{`import x from "../env" with {type: "json"}; export default () => x;`, ""},
		{`import x from "../run.json" with {type: "text"}; export default () => x;`, ""},
		{`import x from "./own.txt" with {type: "bytes"}; export default () => x;`, ""},
		{`import x from "../env?x.txt"; export default () => x;`, ""},
		{`import x from "../notes.txt?x"; export default () => x;`, ""},
		{`import "../style.css"; export default () => 1;`, ""},
		{`import "./big"; export default () => 1;`, ""},
		{`import x from "/etc/hostname" with {type: "text"}; export default () => x;`, ""},
		{`import x from "/proc/self/environ" with {type: "text"}; export default () => x;`, ""},
	}
	for _, c := range cases {
		write(t, dir, map[string]string{"a.ts": c.source})
		r := Bundle(BuildRequest{Dir: dir, Script: "a", Entry: "a.ts"})
		told := Join(r.Errors)
		if c.holds != "" && (told != nil || !strings.Contains(r.Source, c.holds)) || c.holds == "" && (told == nil || strings.Contains(r.Source+r.Map+told.Error(), "sesame")) {
			t.Errorf("%s: %v, %d bytes", c.source, told, len(r.Source))
		}
	}
}
