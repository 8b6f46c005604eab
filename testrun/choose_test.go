package testrun

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestChoices(t *testing.T) {
	root := filepath.Join(t.TempDir(), "scripts")
	files := []string{"hello.test.ts", "taxi/main.test.ts", "taxi/other.test.js", "taxi2/main.test.ts", "shop/order.test.ts"}
	for _, f := range append([]string{"hello.ts", "taxi/main.ts", "shop/order.ts"}, files...) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Dir(root))
	for _, c := range []struct {
		patterns  []string
		want      []string // files with a test that is called "pays by card"
		unmatched []string
	}{
		{nil, files, nil},
		{[]string{"TAXI"}, files[1:4], nil},
		{[]string{"scripts/taxi"}, files[1:3], nil},
		{[]string{"scripts/taxi/"}, files[1:3], nil},
		{[]string{"./scripts/taxi/main.ts"}, files[1:3], nil},
		{[]string{"scripts/hello.ts"}, files[:1], nil},
		{[]string{"scripts/hello.test.ts", "order"}, []string{files[0], files[4]}, nil},
		{[]string{filepath.Join(root, "shop", "order.ts")}, files[4:], nil},
		{[]string{"scripts"}, files, nil},
		{[]string{"shop"}, files[4:], nil},
		{[]string{"hop"}, files[4:], nil}, // a bare word is no path
		{[]string{"./scripts"}, files, nil},
		{[]string{"."}, files, nil},
		{[]string{"by card"}, files, nil},
		{[]string{"scripts/gone.test.ts", "hello", "nothing"}, files[:1], []string{"scripts/gone.test.ts", "nothing"}},
	} {
		chosen := choose(root, c.patterns)
		var got []string
		for _, f := range files {
			if whole, maybe := chosen.file(f); (whole || maybe) && chosen.took(f, "pays by card") {
				got = append(got, f)
			}
		}
		if !slices.Equal(got, c.want) || !slices.Equal(chosen.unmatched(), c.unmatched) {
			t.Errorf("%q: %q, and nothing for %q", c.patterns, got, chosen.unmatched())
		}
	}
	if whole, maybe := choose(root, []string{"scripts/taxi"}).file("hello.test.ts"); whole || maybe {
		t.Error("a file beside a chosen folder is built")
	}
}
