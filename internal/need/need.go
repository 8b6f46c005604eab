// Package need is for tests that need something of their surroundings. A program
// that is not installed skips the test with a reason, and fails it where
// LOOPSTART_REQUIRE_E2E is set, as in continuous integration, which installs all
// of them. What the kernel or the user forbids can only be skipped.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Program skips the test when a program is not installed, and returns its path.
func Program(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("LOOPSTART_REQUIRE_E2E") != "" {
			t.Fatalf("%s is not installed: %s", name, install)
		}
		t.Skipf("%s is not installed: %s", name, install)
	}
	return path
}

// Root skips the test when it does not run as root.
func Root(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("%s needs root", why)
	}
}
