package runtime

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/runtime/message"
)

func TestInspect(t *testing.T) {
	b := bundle(t, map[string]string{"main.ts": `
		import { queue } from "loopstart:call";
		import { flow, start } from "loopstart:flow";
		const sales = queue("sales").with({ a: 1 });
		const base = new URL("https://example.ru/x").origin;
		console.log("loading", sales, base, start);
		export const config = { language: "ru-RU", record: true, hook: { rate: 5 } };
		export const onFlow = flow(async () => {});
		export async function afterCall() {}
		export default async () => {};
	`}, "main.ts")
	got, err := Inspect(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Config) != `{"language":"ru-RU","record":true,"hook":{"rate":5}}` || strings.Join(got.Exports, " ") != "afterCall config default onFlow" || got.Flow != "onFlow" {
		t.Fatalf("%s %v %q", got.Config, got.Exports, got.Flow)
	}
}

func TestInspectFailures(t *testing.T) {
	for name, c := range map[string]struct{ source, code, message, place string }{
		"syntax":      {"exports.default = () => {\n  const 1 = 2;\n}", "SCRIPT", "", "test.bundle.js:2:9"},
		"compiler":    {"let a;\nlet a;", "SCRIPT", "Identifier 'a' has already been declared", "test.bundle.js:2:5"},
		"throws":      {"\nthrow new Error('at load');", "SCRIPT", "at load", "test.bundle.js:2:7"},
		"rejects":     {"exports.x = 1; Promise.reject(new Error('x'))", "SCRIPT", "Uncaught (in promise) x", "test.bundle.js:1:31"},
		"nothing":     {"module.exports = 5", "SCRIPT", "the script exports nothing, so there is nothing to run", ""},
		"hangs":       {"for (;;) {}", "LIMIT", "", ""},
		"allocates":   {"const a = []; for (;;) a.push(new Array(1000).fill(1))", "LIMIT", "", ""},
		"recursion":   {"const f = () => f() + 1; f()", "LIMIT", "", ""},
		"no flow":     {"exports.onFlow = () => {}; exports.default = () => {}", "SCRIPT", "onFlow is no flow", ""},
		"two flows":   {"const { flow } = require('loopstart:flow'); exports.onFlow = flow(() => {}); exports.default = flow(() => {})", "SCRIPT", "the script has two flows: its default export and onFlow", ""},
		"flow of":     {"require('loopstart:flow').flow(5)", "INVALID", "flow needs a function", "test.bundle.js:1:31"},
		"default":     {"exports.default = {a: 1}", "SCRIPT", "the default export is no function", ""},
		"function":    {"exports.config = {fallback: () => 1}", "INVALID", "config: a function cannot stand here", ""},
		"stand-in":    {"exports.config = {x: require('loopstart:core').y}", "INVALID", "config: a function cannot stand here", ""},
		"cyclic":      {"const c = {}; c.c = c; exports.config = c", "INVALID", "config: the value contains itself", ""},
		"node module": {"require('fs')", "NOT_FOUND", "there is no module fs", ""},
		"bad map":     {"", "INTERNAL", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := message.Bundle{Script: "test", Source: c.source}
			if c.source == "" {
				b.Map = "{"
			}
			_, err := Inspect(b)
			if err == nil || err.Code != c.code || c.message != "" && err.Message != c.message || c.place != "" && err.Place != c.place {
				t.Fatalf("%+v", err)
			}
		})
	}
}

func TestCodeFrameOfLongLinesAndTabs(t *testing.T) {
	long := strings.Repeat("a", 200) + "б" + strings.Repeat("c", 200)
	shown, caret := fitLine(long, 201)
	if i := strings.Index(shown, "б"); i < 0 || i != len(caret) || len([]rune(shown)) > frameWidth {
		t.Fatalf("%q %q", shown, caret)
	}
	if shown, caret = fitLine("\t\tx()", 3); shown != "\t\tx()" || caret != "\t\t" {
		t.Fatalf("%q %q", shown, caret)
	}
	if _, caret = fitLine("😀x", 3); caret != " " { // an emoji is two UTF-16 units
		t.Fatalf("%q", caret)
	}
	if _, caret = fitLine("x", 50); caret != " " {
		t.Fatalf("%q", caret)
	}
}

func TestDidYouMean(t *testing.T) {
	names := []string{"say", "gather", "hangup", "answer"}
	for name, want := range map[string]string{"sai": "say", "gahter": "gather", "hangUp": "hangup", "xyz": "", "answer": "", "": ""} {
		if want != "" {
			want = "did you mean " + want + "?"
		}
		if got := didYouMean(name, names); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestShiftMappings(t *testing.T) {
	for _, c := range []struct{ in, text, want string }{
		{"AAAA,IAAM;AACA;;EACA", "one\ntwo", "UAAC,IAAM;CACA;;GACA"},
		{";A", "", ";C"},
		{"", "", ""},
		{"!!!", "", "UAA"},
		{"AAAA,CAAC,CAAC,CAAC;AACA", "жa𝄞b\nc", "UAAC,EAAC,CAAC,AAAC;CACA"}, // half of a clef: its place
		{"IAAA,IAAA", "жжжж", "kBAAC,IAAA"},                                 // the eighth is past the end
	} {
		if got := shiftMappings(c.in, c.text, 9); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
}

func FuzzShiftMappings(f *testing.F) {
	f.Add("AAAA,IAAM;AACA;;EACA", "one\nдва")
	f.Add("gggggggggggggggggggggggggggg", "ё")
	f.Fuzz(func(t *testing.T, mappings, text string) {
		if got := shiftMappings(mappings, text, 37); strings.Count(got, ";") != strings.Count(mappings, ";") {
			t.Fatalf("%q became %q", mappings, got)
		}
	})
}
