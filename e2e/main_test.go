package e2e

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// testLimit is the longest that one wait of any test may take.
const testLimit = 30 * time.Second

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests mostly wait for audio that plays in real time.
	if f := flag.Lookup("test.parallel"); f != nil && f.Value.String() == f.DefValue {
		_ = f.Value.Set("4")
	}
	dir, err := os.MkdirTemp("", "loopstart-e2e-")
	if err == nil {
		err = build(dir)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// build makes the binary, unless LOOPSTART_BIN names one. It is copied, so
// that its name in the process list is ours alone.
func build(dir string) error {
	binary = filepath.Join(dir, "loopstart")
	if given := os.Getenv("LOOPSTART_BIN"); given != "" {
		raw, err := os.ReadFile(given)
		if err != nil {
			return err
		}
		return os.WriteFile(binary, raw, 0o755)
	}
	cmd := exec.Command("go", "build", "-o", binary, "../cmd/loopstart")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as in the Makefile
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// need skips a test whose peer is not installed.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		lacking(t, program+" is not installed")
	}
	return path
}

// lacking skips a test for want of what could be installed; continuous
// integration has installed it.
func lacking(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("LOOPSTART_REQUIRE_E2E") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// unable skips a test that this machine's kernel, or who we are on it, forbids:
// there is nothing to install.
func unable(t testing.TB, why string) {
	t.Helper()
	t.Skip(why)
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}
