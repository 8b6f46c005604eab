package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

var update = flag.Bool("update", false, "write what is found into testdata")

const separator = "-- errors --\n"

var errorEnv = map[string]string{"AGENT_101": "agent-secret", "LINES": "no-number-but-maybe-a-secret", "ZONE": "zone-secret", "UNRELATED": "x"}

// TestErrors loads each file of testdata/errors up to the separator and
// compares all errors, frames and hints with what stands behind it.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			yaml, want, ok := strings.Cut(string(text), separator)
			if !ok {
				t.Fatal("no separator")
			}
			_, err = Parse([]byte(yaml), FileName, Options{Env: errorEnv})
			got := listing(err)
			if *update {
				if err := os.WriteFile(path, []byte(yaml+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			for _, secret := range []string{"secret", "hunter2", "a-password", "same-token"} {
				all := got
				for _, p := range ProblemsOf(err) {
					all += p.Frame
				}
				if strings.Contains(strings.ReplaceAll(all, "secrets", ""), secret) {
					t.Errorf("%q stands in an error", secret)
				}
			}
			if fault.ExitOf(err) != fault.ExitConfig || fault.CodeOf(err) != fault.Invalid {
				t.Errorf("code %s, exit %d", fault.CodeOf(err), fault.ExitOf(err))
			}
		})
	}
}

func listing(err error) string {
	var b strings.Builder
	for _, p := range ProblemsOf(err) {
		fmt.Fprintf(&b, "%s\n", p)
		if p.Frame != "" {
			lines := strings.Split(p.Frame, "\n")
			fmt.Fprintf(&b, "%s\n", strings.Join(lines[max(0, len(lines)-2):], "\n"))
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", p.Hint)
		}
	}
	return b.String()
}
