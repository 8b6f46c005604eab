package examples

import (
	"io/fs"
	"slices"
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
	for _, name := range Names() {
		if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name }) {
			t.Errorf("the template %s has no folder", name)
		}
	}
	for _, e := range entries {
		guide, err := Scripts.ReadFile("scripts/" + e.Name() + "/README.md")
		if err != nil {
			t.Errorf("%s: %v", e.Name(), err)
			continue
		}
		for _, part := range []string{"main.ts", "main.test.ts"} {
			if _, err := Scripts.ReadFile("scripts/" + e.Name() + "/" + part); err != nil {
				t.Error(err)
			}
		}
		if !strings.HasPrefix(string(guide), "# "+e.Name()+":") {
			t.Errorf("%s: the guide begins with %q", e.Name(), strings.SplitN(string(guide), "\n", 2)[0])
		}
	}
}

// TestUseCasesAreShort: a whole business fits on one screen.
func TestUseCasesAreShort(t *testing.T) {
	const most = 60
	for _, name := range []string{"shift", "taxi", "parcel", "clinic", "fleet", "pickup"} {
		source, err := Scripts.ReadFile("scripts/" + name + "/main.ts")
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), "\n"); n > most {
			t.Errorf("%s has %d lines, %d at most", name, n, most)
		}
	}
}
