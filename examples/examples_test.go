package examples

import (
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// TestJavaScript compares the scripts of init --js with what the compiler makes
// of the TypeScript.
func TestJavaScript(t *testing.T) {
	for _, name := range Names() {
		source, err := Scripts.ReadFile("scripts/" + name + "/main.ts")
		if err != nil {
			t.Fatal(err)
		}
		js := JavaScript(string(source))
		want, got := compile(t, string(source), api.LoaderTS), compile(t, js, api.LoaderJS)
		if want != got {
			t.Errorf("%s: as JavaScript:\n%s\nthe compiler makes of it:\n%s", name, got, want)
		}
		if strings.Contains(js, ": Call") || !strings.Contains(js, `@param {import("loopstart:call").Call} call`) {
			t.Errorf("%s: the call's type is not a JSDoc comment:\n%s", name, js)
		}
		if strings.Count(js, "//") < strings.Count(string(source), "//") {
			t.Errorf("%s: comments were lost", name)
		}
	}
}

func compile(t *testing.T, source string, loader api.Loader) string {
	t.Helper()
	res := api.Transform(source, api.TransformOptions{Loader: loader, MinifyWhitespace: true, Target: api.ES2022, LogLevel: api.LogLevelSilent})
	for _, e := range res.Errors {
		t.Errorf("%s:\n%s", e.Text, source)
	}
	return string(res.Code)
}

func TestEveryScriptHasAGuide(t *testing.T) {
	entries, err := Scripts.ReadDir("scripts")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(Names()) {
		t.Errorf("%d folders of scripts, %d names", len(entries), len(Names()))
	}
	for _, e := range entries {
		guide, err := Scripts.ReadFile("scripts/" + e.Name() + "/README.md")
		if err != nil {
			t.Errorf("%s: %v", e.Name(), err)
			continue
		}
		if !strings.HasPrefix(string(guide), "# "+e.Name()+":") {
			t.Errorf("%s: the guide begins with %q", e.Name(), strings.SplitN(string(guide), "\n", 2)[0])
		}
	}
}
