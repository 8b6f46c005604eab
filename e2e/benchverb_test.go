package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/loopstart/loopstart/bench"
)

// TestBenchVerb is `loopstart bench` with a few calls and a limit that nothing
// can keep: it measures, says so by its exit status, and leaves nothing behind.
func TestBenchVerb(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out, log bytes.Buffer
	cmd := exec.Command(binary, "bench", "--calls", "5", "--duration", "2s", "--mode", "bridge", "--srtp", "--max-cpu", "0.000001", "-o", "json")
	cmd.Env = []string{"TMPDIR=" + dir, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	var r bench.Result
	if uerr := json.Unmarshal(out.Bytes(), &r); uerr != nil {
		t.Fatalf("%v, %v: %s\n%s", err, uerr, out.Bytes(), log.Bytes())
	}
	if code := cmd.ProcessState.ExitCode(); code != 1 || len(r.Crossed) != 1 || r.Crossed[0].What != "CPU ms per call-second" {
		t.Errorf("exit status %d, crossed %v", code, r.Crossed)
	}
	// Memory of so few calls is less than what a collection may give back.
	// 5 calls, two streams each, for 2 s: 1000 packets, if this machine has time.
	if r.Calls != 5 || r.Failed != 0 || r.Packets < 300 || r.SentPackets < 300 || r.CPU <= 0 || r.Floor <= 0 || r.MemoryBase <= 0 || r.SetupP99 <= 0 {
		t.Errorf("%+v\n%s", r, log.Bytes())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "loopstart-bench-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
