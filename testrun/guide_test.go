package testrun

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// sample is a fenced block whose first line names a file of the project.
var sample = regexp.MustCompile("(?ms)^```ts (scripts/\\S+)\n(.*?)^```$")

// TestGuide runs the samples of the pages about tests, and about streams.
func TestGuide(t *testing.T) {
	for page, tests := range map[string]int{"testing.md": 7, "streams.md": 3} {
		t.Run(page, func(t *testing.T) { runGuide(t, page, tests) })
	}
}

func runGuide(t *testing.T, page string, tests int) {
	guide, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	project := "project: {country: RU, zone: Europe/Moscow, language: en-GB}\nsip: {users: {\"101\": {password: a}, \"102\": {password: b}}}\n" +
		"groups: {sales: {members: [\"101\", \"102\"]}}\nschedules: {office: {open: {mon-fri: \"09:00-18:00\"}}}\n"
	files := map[string]string{"loopstart.yaml": project}
	for _, m := range sample.FindAllStringSubmatch(string(guide), -1) {
		files[m[1]] = m[2]
	}
	if len(files) < 4 {
		t.Errorf("only %d samples were found", len(files)-1)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Run(context.Background(), Options{Config: load(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed > 0 || r.Passed < tests {
		t.Error(show(r))
	}
}
