package scripts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

func upload(d *deploy, name string, files map[string]string) (Uploaded, error) {
	var list []File
	for p, text := range files {
		list = append(list, File{p, []byte(text)})
	}
	slices.SortFunc(list, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return d.Upload(context.Background(), name, list)
}

// tree is every file of the scripts folder with its text's first word.
func (d *deploy) tree() string {
	d.t.Helper()
	var list []string
	err := filepath.WalkDir(d.dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(d.dir, p)
			list = append(list, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func TestUploads(t *testing.T) {
	d := openDeploy(t)
	d.write(map[string]string{"_lib/x.ts": "export const x = 'lib';", "a.test.ts": "", "own/main.ts": says("own"), "own/prompts/ru/x.wav": "RIFF", "_old/y.ts": ""})
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, script string
		files        map[string]string
		tree, says   string
	}{
		{"one file for one file", "a", map[string]string{"a.ts": says("two")}, "_lib/x.ts _old/y.ts a.test.ts a.ts own/main.ts own/prompts/ru/x.wav", "two"},
		{"another suffix", "a", map[string]string{"a.js": says("js")}, "_lib/x.ts _old/y.ts a.js a.test.ts own/main.ts own/prompts/ru/x.wav", "js"},
		{"a folder for a file", "a", map[string]string{"main.ts": `import {w} from "./words"; import {x} from "../_lib/x"; export default () => "in " + w + x;`, "words.ts": `export const w = "words";`, "prompts/en/hi.wav": "RIFF"},
			"_lib/x.ts _old/y.ts a/main.ts a/prompts/en/hi.wav a/words.ts a.test.ts own/main.ts own/prompts/ru/x.wav", "words"},
		{"one file for a folder replaces its main file", "own", map[string]string{"own.js": says("mine")}, "_lib/x.ts _old/y.ts a/main.ts a/prompts/en/hi.wav a/words.ts a.test.ts own/main.js own/prompts/ru/x.wav", "mine"},
		{"a folder for a folder, all of it", "own", map[string]string{"main.ts": says("whole")}, "_lib/x.ts _old/y.ts a/main.ts a/prompts/en/hi.wav a/words.ts a.test.ts own/main.ts", "whole"},
		{"with a folder around it", "new", map[string]string{"repo-main/main.ts": says("new"), "repo-main/b/c.ts": ""}, "_lib/x.ts _old/y.ts a/main.ts a/prompts/en/hi.wav a/words.ts a.test.ts new/b/c.ts new/main.ts own/main.ts", "new"},
	}
	for _, c := range cases {
		up, err := upload(d, c.script, c.files)
		v, cerr := d.Current(c.script)
		if err != nil || cerr != nil || up.Version != v.ID || !strings.Contains(v.Source, c.says) || d.tree() != c.tree {
			t.Fatalf("%s: %+v %v %v\n%s", c.name, up, err, cerr, d.tree())
		}
	}
	if d.Stats().Uploads != uint64(len(cases)) {
		t.Errorf("%+v", d.Stats())
	}
}

func TestBrokenUploadsChangeNothing(t *testing.T) {
	d := openDeploy(t)
	d.write(map[string]string{"_lib/x.ts": "export const x = ;", "stuff/data.txt": "x", "vox.voxengine.js": ""})
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := d.tree()
	ok := says("x")
	many := map[string]string{"main.ts": ok}
	for i := range MaxUploadFiles {
		many[strings.Repeat("x", i%200+1)+"/"+strings.Repeat("y", i/200+1)] = ""
	}
	cases := []struct {
		script string
		files  map[string]string
		code   fault.Code
		place  string
	}{
		{"a", map[string]string{"a.ts": "export default () => {\n  const = 1;\n}\n"}, fault.Invalid, "a.ts:2:9"},
		{"a", map[string]string{"main.ts": `import "./words"; export default () => 1;`, "words.ts": "\n\nlet let = 3;"}, fault.Invalid, "a/words.ts:3:5"},
		{"a", map[string]string{"main.ts": `import {x} from "../_lib/x"; export default () => x;`}, fault.Invalid, "_lib/x.ts:1:18"},
		{"a", map[string]string{"a.ts": `import "./none"; export default 1`}, fault.Invalid, "a.ts:1:8"},
		{"a", map[string]string{"a.ts": "export const x = 1;"}, fault.Invalid, "a.ts:1:1"},
		{"a", nil, fault.Invalid, ""},
		{"a", map[string]string{"words.ts": ok}, fault.Invalid, ""},
		{"a", map[string]string{"main.ts": ok, "main.js": ok}, fault.Invalid, ""},
		{"a", map[string]string{"main.ts": ok, "x": "", "x/y.ts": ""}, fault.Invalid, ""},
		{"a", map[string]string{"main.ts": ok, "big.wav": strings.Repeat("x", MaxUploadBytes)}, fault.Invalid, ""},
		{"a", many, fault.Invalid, ""},
		{"stuff", map[string]string{"main.ts": ok}, fault.Conflict, ""},
		{"vox", map[string]string{"vox.ts": ok}, fault.Conflict, ""},
	}
	for _, name := range []string{"", ".", "..", "../a", "_lib", ".git", "a b", "a/b", `a\b`, "a\x00", strings.Repeat("x", 200), "a.ts"} {
		cases = append(cases, struct {
			script string
			files  map[string]string
			code   fault.Code
			place  string
		}{name, map[string]string{"main.ts": ok}, fault.Invalid, ""})
	}
	for _, c := range cases {
		_, err := upload(d, c.script, c.files)
		var f *fault.Error
		if fault.CodeOf(err) != c.code || !errors.As(err, &f) || f.Place != c.place || (c.place != "" && f.Frame == "" && c.place != "a.ts:1:1") {
			t.Errorf("%q: %v (%s at %q), want %s at %q", c.script, err, fault.CodeOf(err), f.Place, c.code, c.place)
		}
		if now := d.tree(); now != before {
			t.Fatalf("%q: %s became %s", c.script, before, now)
		}
	}
	if d.call() != "one" {
		t.Error("another version")
	}
}

// TestZipSlip: no path of an upload leaves the script's folder.
func TestZipSlip(t *testing.T) {
	d := openDeploy(t)
	outside := filepath.Join(filepath.Dir(d.dir), "outside.ts")
	for _, p := range []string{
		"../outside.ts", "../../outside.ts", "x/../../outside.ts", "./x.ts", "x//y.ts", "/etc/passwd", outside, "..", ".", "", "x/", "/", "x/.", "x/..",
		`..\outside.ts`, `x\y.ts`, `C:\x.ts`, "C:x.ts", "a\x00.ts", "a\n.ts", "a\x7f.ts", "\xff\xfe.ts", ".env", "x/.git/hooks/run", ".upload-1/new/a.ts", "..data/x",
		"aux.", "x./y.ts", "x /y.ts", strings.Repeat("x", MaxUploadPath+1), strings.Repeat("x/", MaxUploadPath/2) + "y.ts",
	} {
		if _, err := upload(d, "b", map[string]string{"main.ts": says("b"), p: "x"}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", p, err)
		}
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("a file outside of the folder")
	}
	if got := d.tree(); got != "a.ts" {
		t.Error(got)
	}
}

// TestUploadThroughALink: what leads out of the folder is never written to.
func TestUploadThroughALink(t *testing.T) {
	d := openDeploy(t)
	out := t.TempDir()
	write(t, out, map[string]string{"main.ts": says("out"), "keep.txt": "x"})
	if err := os.Symlink(out, filepath.Join(d.dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := upload(d, "b", map[string]string{"b.ts": says("in")})
	body, rerr := os.ReadFile(filepath.Join(out, "main.ts"))
	if rerr != nil || string(body) != says("out") {
		t.Fatalf("%v: the file outside is %q, %v", err, body, rerr)
	}
}

func TestUploadToAPinnedScript(t *testing.T) {
	d := openDeploy(t)
	one := must(t)(d.Current("a")).ID
	if _, err := d.Rollback("a", one); err != nil {
		t.Fatal(err)
	}
	up, err := upload(d, "a", map[string]string{"a.ts": says("two")})
	if err != nil || up.Version == one || up.Plan.Active != one || up.Plan.Latest != up.Version || d.call() != "one" {
		t.Fatalf("%+v %v", up, err)
	}
	if _, err := d.Unpin("a"); err != nil || d.call() != "two" {
		t.Fatal(err)
	}
}

func TestRemove(t *testing.T) {
	d := openDeploy(t)
	d.write(map[string]string{"b/main.ts": says("b"), "b/x.wav": "x", "a.test.ts": ""})
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := must(t)(d.Acquire("a"))
	if _, err := d.Rollback("a", v.ID); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := d.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Acquire(name); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.Remove(t.Context(), "a"); fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
	if got := d.tree(); got != "a.test.ts" {
		t.Error(got)
	}
	d.Release(v) // its call went on
	d.save(says("two"))
	if p, _ := d.Plan("a"); p.Held() || d.call() != "two" {
		t.Errorf("the pin of a removed script is still there: %+v", p)
	}
}

// TestAnInterruptedSwap: a process that ended halfway left old files in its
// staging folder.
func TestAnInterruptedSwap(t *testing.T) {
	d := openDeploy(t)
	d.Close()
	if err := os.Remove(filepath.Join(d.dir, "a.ts")); err != nil {
		t.Fatal(err)
	}
	d.write(map[string]string{
		".upload-1/old/a.ts": says("old"), ".upload-1/new/a.ts": says("new"),
		".upload-2/old/b/main.ts": says("main"), "b/words.ts": "", // lost its main file to one file
		".upload-3/old/c/main.ts": says("old"), ".upload-3/old/c/gone.ts": "", "c/main.ts": says("new"), // done but for the cleaning
	})
	d = d.again()
	if got := d.tree(); got != "a.ts b/main.ts b/words.ts c/main.ts" {
		t.Fatal(got)
	}
	if d.call() != "old" || !strings.Contains(d.source("c"), "new") {
		t.Error(d.source("c"))
	}
}

func TestUploadsAreOneAtATime(t *testing.T) {
	d := openDeploy(t)
	d.uploading.Lock()
	if _, err := upload(d, "a", map[string]string{"a.ts": says("x")}); fault.CodeOf(err) != fault.Conflict {
		t.Error(err)
	}
	if err := d.Remove(t.Context(), "a"); fault.CodeOf(err) != fault.Conflict {
		t.Error(err)
	}
	d.uploading.Unlock()
}

func FuzzBadPath(f *testing.F) {
	for _, p := range []string{"main.ts", "../x", "a/./b", "a\\b", "/x", "x/..", ".x", "x."} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if badPath(p) == "" && !filepath.IsLocal(p) {
			t.Fatalf("%q leaves its folder", p)
		}
	})
}
