package scripts

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var testModules = map[string][]string{
	"loopstart:call": {"dial"},
	"loopstart:core": {"kv", "webhook", "secrets", "sleep", "log", "lock"},
}

// write puts files into a folder; a name's folders are made.
// write puts files into place at once: a watcher never sees half of one.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	aside := filepath.Join(t.TempDir(), "file")
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(aside, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(aside, path); err != nil {
			t.Fatal(err)
		}
	}
}

func bundle(t *testing.T, entry string, files map[string]string) BuildResult {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	return Bundle(BuildRequest{Dir: dir, Script: "x", Entry: entry, Modules: testModules})
}

func TestBundleOfTypeScriptWithModulesAndPackages(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"node_modules/left/package.json": `{"name":"left","main":"index.js"}`,
		"node_modules/left/index.js":     `exports.pad = (s) => " " + s;`,
		"scripts/_lib/say.ts":            `export const hello = (name: string): string => "Hello " + name;`,
		"scripts/menu/main.ts": `import type { Call } from "loopstart:call";
import { kv, type Nothing } from "loopstart:core";
import { hello } from "../_lib/say";
import { pad } from "left";
import words from "./words.json";
export const config = { language: "ru-RU" };
export default async function (call: Call) {
  for await (const key of call.digits) await kv.set(key, hello(pad(words.who)));
}
export async function afterCall(record: object) {}
`,
		"scripts/menu/words.json": `{"who": "Anna"}`,
	})
	res := Bundle(BuildRequest{Dir: filepath.Join(dir, "scripts"), Script: "menu", Entry: "menu/main.ts", Modules: testModules})
	if len(res.Errors)+len(res.Warnings) > 0 {
		t.Fatalf("errors %v, warnings %v", res.Errors, res.Warnings)
	}
	if want := []string{"afterCall", "config", "default"}; !slices.Equal(res.Exports, want) {
		t.Errorf("exports %v, want %v", res.Exports, want)
	}
	if want := []string{"loopstart:core"}; !slices.Equal(res.Uses, want) {
		t.Errorf("uses %v, want %v", res.Uses, want)
	}
	for _, want := range []string{`require("loopstart:core")`, "core.kv.set", "Hello "} {
		if !strings.Contains(res.Source, want) {
			t.Errorf("the bundle lacks %q:\n%s", want, res.Source)
		}
	}
	if !strings.HasPrefix(res.Source, `"use strict";`) {
		t.Error("the bundle is not strict")
	}
	for _, not := range []string{"for await", "webhook", "import(", ": string"} {
		if strings.Contains(res.Source, not) {
			t.Errorf("the bundle holds %q", not)
		}
	}
	for _, want := range []string{`"menu/main.ts"`, `"_lib/say.ts"`, "sourcesContent"} {
		if !strings.Contains(res.Map, want) {
			t.Errorf("the map lacks %s", want)
		}
	}
	for _, want := range []string{"menu/main.ts", "_lib/say.ts", "menu/words.json", "../node_modules/left/index.js"} {
		if len(res.Inputs[want]) != 64 {
			t.Errorf("input %s has hash %q", want, res.Inputs[want])
		}
	}
}

const good = "export default async function (call) { await call.answer(); }\n"

func TestBundleDiagnostics(t *testing.T) {
	tests := []struct {
		name, source      string
		place, text, hint string
	}{
		{"syntax", "export default function (call) {\n  const x = ;\n}", "x.ts:2:13", `Unexpected ";"`, ""},
		{"misspelt module", `import { kv } from "loopstart:cor"; kv();` + good, "x.ts:1:20", "there is no module loopstart:cor", "did you mean loopstart:core?"},
		{"later module", `import { sms } from "loopstart:messages"; sms();` + good, "x.ts:1:21", "there is no module loopstart:messages", "loopstart:messages is not in this version"},
		{"unknown export", "import { huddle } from 'loopstart:call'; huddle('a');" + good, "x.ts:1:10", `loopstart:call has no export "huddle"`, "it exports dial"},
		{"misspelt export", "import { secret } from 'loopstart:core'; secret();" + good, "x.ts:1:10", `loopstart:core has no export "secret"`, "did you mean secrets?"},
		{"star export", "import * as core from 'loopstart:core'; core.locks();" + good, "x.ts:1:46", `loopstart:core has no export "locks"`, "did you mean lock?"},
		{"default import", "import core from 'loopstart:core'; core();" + good, "x.ts:1:8", `loopstart:core has no export "default"`, `write import { kv, lock, log, … } from "loopstart:core"`},
		{"missing file", "import './nope';" + good, "x.ts:1:8", "there is no file ./nope", "names are relative to ./"},
		{"missing package", "import 'dayjs/locale/ru';" + good, "x.ts:1:8", "there is no package dayjs/locale/ru", "run npm install dayjs in the project folder"},
		{"node module", "import fs from 'node:fs'; fs();" + good, "x.ts:1:16", "node:fs is a module of Node and is not there", "fetch, URL, crypto"},
		{"slash", "import { kv } from 'loopstart/core'; kv();" + good, "x.ts:1:20", "there is no package loopstart/core", "with a colon"},
		{"bigint", "export const n = 1;\nexport default () => 2n ** 9n;", "x.ts:2:22", "BigInt literals are not allowed in scripts", "use an ordinary number"},
		{"top-level await", "await 1;\n" + good, "x.ts:1:1", "await is not possible at the top level of a script", "move it into the exported function"},
		{"no default export", "export const a = 1;", "x.ts:1:1", "the script has no default export", "export default async function"},
		{"empty file", "", "x.ts:1:1", "the script has no default export", ""},
		{"deep", "export default () => " + strings.Repeat("[", 501) + strings.Repeat("]", 501), "x.ts:1:522", "brackets nest deeper than 500", ""},
		{"long", "// " + strings.Repeat("x", MaxSourceBytes), "x.ts:1:1", "the file is longer than 1048576 bytes", ""},
		{"column in characters", "/* привет */ const x = ;" + good, "x.ts:1:24", `Unexpected ";"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := bundle(t, "x.ts", map[string]string{"x.ts": tt.source})
			if len(res.Errors) == 0 {
				t.Fatal("no error")
			}
			d := res.Errors[0]
			if d.Place != tt.place || !strings.Contains(d.Message, tt.text) || !strings.Contains(d.Hint, tt.hint) {
				t.Errorf("got %s | %s\nwant %s: %s | %s", d, d.Hint, tt.place, tt.text, tt.hint)
			}
			if res.Source != "" || len(res.Version) != 12 {
				t.Errorf("a broken script has source %q and version %q", res.Source, res.Version)
			}
		})
	}
}

func TestBundleFrame(t *testing.T) {
	res := bundle(t, "x.ts", map[string]string{"x.ts": "// 1\n// 2\nexport default function (call) {\n\tconst x = ;\n}\n"})
	want := "  2 | // 2\n  3 | export default function (call) {\n> 4 | \tconst x = ;\n    | \t          ^\n"
	if got := res.Errors[0].Frame; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCodeFrameOfALongLine(t *testing.T) {
	line := strings.Repeat("я", 1000) + "?" + strings.Repeat("b", 1000)
	got := strings.Split(CodeFrame(line, 1, 1001, true), "\n")
	if len([]rune(got[0])) > maxFrameLine+10 || []rune(got[0])[len([]rune(got[1]))-1] != '?' {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestBundleWarnings(t *testing.T) {
	res := bundle(t, "x.ts", map[string]string{"x.ts": good + "export const aftercall = 1;\nexport function onflow() {}\nexport const price = 2;"})
	var got []string
	for _, w := range res.Warnings {
		got = append(got, w.Message)
	}
	want := []string{"the export aftercall is not called by anything; did you mean afterCall?", "the export onflow is not called by anything; did you mean onFlow?"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBundleTooLarge(t *testing.T) {
	files := map[string]string{"x.ts": "import {a} from './a'; import {b} from './b';\nexport default () => [a, b];"}
	for _, n := range []string{"a", "b"} {
		files[n+".ts"] = "export const " + n + " = '" + strings.Repeat("x", 600_000) + "';"
	}
	res := bundle(t, "x.ts", files)
	if len(res.Errors) != 1 || !strings.Contains(res.Errors[0].Hint, "a.ts") {
		t.Fatalf("errors %v", res.Errors)
	}
}

func TestBundleVersionFollowsContent(t *testing.T) {
	version := func(lib string) string {
		res := bundle(t, "x.ts", map[string]string{"x.ts": "import './_lib/a';" + good, "_lib/a.ts": lib, "_lib/unused.ts": lib + "//"})
		if len(res.Errors) > 0 {
			t.Fatal(res.Errors)
		}
		return res.Version
	}
	a, b, again := version("globalThis.a = 1"), version("globalThis.a = 2"), version("globalThis.a = 1")
	if a == b || a != again {
		t.Errorf("versions %s, %s, %s", a, b, again)
	}
}

func TestBundleInputLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("the bundler at work for long: not for the race detector, which runs the short tests")
	}
	files := map[string]string{}
	var all strings.Builder
	for i := range MaxInputs {
		files[fmt.Sprintf("_m/m%d.ts", i)] = "export {};"
		fmt.Fprintf(&all, "import './_m/m%d';\n", i)
	}
	files["x.ts"] = all.String() + good
	res := bundle(t, "x.ts", files)
	if len(res.Errors) == 0 || !strings.Contains(res.Errors[0].Message, "at most 2000 files") {
		t.Fatalf("errors %v", res.Errors)
	}
}

func TestTooDeep(t *testing.T) {
	deep := strings.Repeat("(", MaxBracketDepth+1)
	tests := []struct {
		text string
		want bool
	}{
		{deep, true},
		{deep[1:], false},
		{`"` + deep + `"`, false},
		{"'\\'" + deep + "'", false},
		{"// " + deep, false},
		{"/* " + deep + "*/", false},
		{"/* */" + deep, true},
		{"`" + deep + "`", false},
		{"`${" + deep + "}`", true},
		{"`${'`'}" + deep + "`", false},
		{"`${a}${`${b}`}`" + deep[1:], false},
		{"x = 'unterminated\n" + deep, true},
		{strings.Repeat("`${", MaxBracketDepth+1), true},
		{strings.Repeat("()", 2*MaxBracketDepth), false},
	}
	for _, tt := range tests {
		if _, got := tooDeep(tt.text); got != tt.want {
			t.Errorf("tooDeep(%.20q…) = %v", tt.text, got)
		}
	}
}

func FuzzTooDeep(f *testing.F) {
	for _, s := range []string{"`${`${a}`}`", "'\\", "/*", "//", "`$", "(`}", good} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, ok := tooDeep(s); ok && (at < 0 || at >= len(s)) {
			t.Fatalf("at %d of %d", at, len(s))
		}
	})
}
