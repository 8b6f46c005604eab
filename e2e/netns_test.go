package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A test over a network of its own makes namespaces with links between them, and
// runs again inside of one: processes that it starts are there, too.

// again runs this test once more inside a namespace, where env names another one.
func again(t *testing.T, inside, env, other string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", inside, self, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "2m")
	cmd.Env = append(os.Environ(), env+"="+other, "LOOPSTART_BIN="+binary)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, tail(string(out), 80))
	}
}

// namespaces makes one for each role, with its loopback up, or skips the test
// where that is not allowed. They go with the test.
func namespaces(t *testing.T, roles ...string) (names []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		unable(t, "network namespaces need root")
	}
	need(t, "ip")
	for _, role := range roles {
		ns := fmt.Sprintf("loopstart-%s-%d", role, os.Getpid())
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		ip(t, "netns add "+ns)
		ip(t, "-n "+ns+" link set lo up")
		names = append(names, ns)
	}
	return names
}

// ip runs a command of iproute2.
func ip(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		unable(t, fmt.Sprintf("no network namespaces: ip %s: %v %s", line, err, out))
	}
}

// address gives an interface of a namespace its address and takes it up.
func address(t *testing.T, ns, link, addr string) {
	t.Helper()
	ip(t, "-n "+ns+" addr add "+addr+"/24 dev "+link)
	ip(t, "-n "+ns+" link set "+link+" up")
}
