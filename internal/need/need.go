// Package need is for tests that need something of their surroundings: a
// program, root, a file system. Where it is missing they are skipped with a
// reason; where LOOPSTART_REQUIRE_E2E is set, as in continuous integration,
// nothing may be skipped and they fail.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Skip ends the test: skipped, or failed where nothing may be skipped.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("LOOPSTART_REQUIRE_E2E") != "" {
		t.Fatalf("may not be skipped here: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Program skips the test when a program is not installed, and returns its path.
func Program(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Skip(t, "%s is not installed: %s", name, install)
	}
	return path
}

// Root skips the test when it does not run as root.
func Root(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "%s needs root", why)
	}
}
