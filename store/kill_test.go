package store

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// writerDir makes the test binary a process that writes numbers until it is killed.
const writerDir = "STORE_TEST_WRITER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		from, _ := strconv.ParseInt(os.Getenv("STORE_TEST_WRITER_FROM"), 10, 64)
		writeForever(dir, from)
	}
	os.Exit(m.Run())
}

// writeForever acknowledges each number on standard output once it is stored.
// The values are large enough that tables are rotated all the time.
func writeForever(dir string, from int64) {
	s, err := Open(Options{Dir: dir})
	if err != nil {
		fmt.Printf("open %v\n", err)
		os.Exit(fault.ExitOf(err))
	}
	var next atomic.Int64
	next.Store(from)
	for range 8 {
		go func() {
			for {
				n := next.Add(1)
				value := fmt.Sprintf(`{"n":%d,"pad":"%s"}`, n, strings.Repeat("p", int(n*7919%40_000)))
				if err := s.Set(numberKey(n), json.RawMessage(value), 0); err != nil {
					fmt.Printf("set %v\n", err)
					os.Exit(1)
				}
				if sum, err := s.Increment("sum", 1, 0); err != nil || sum <= 0 {
					fmt.Printf("sum %v\n", err)
					os.Exit(1)
				}
				_, _ = os.Stdout.WriteString(strconv.FormatInt(n, 10) + "\n")
			}
		}()
	}
	select {}
}

func numberKey(n int64) string { return fmt.Sprintf("n/%09d", n) }

// TestKill kills a writing process at random moments. Nothing it acknowledged
// may be missing, and every first Open has to work.
func TestKill(t *testing.T) {
	const kills = 15
	dir, random := t.TempDir(), rand.New(rand.NewPCG(1, 2207))
	acked := map[int64]bool{}
	for i := range kills {
		fresh := killWriter(t, dir, int64(i+1)*1_000_000, time.Duration(20+random.IntN(200))*time.Millisecond)
		maps.Copy(acked, fresh)
		if i == kills-1 {
			fresh = acked
		}
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		for n := range fresh {
			if v, ok, err := s.Get(numberKey(n)); !ok || err != nil || !strings.HasPrefix(string(v), fmt.Sprintf(`{"n":%d,`, n)) {
				t.Fatalf("kill %d: number %d is missing: %v", i, n, err)
			}
		}
		sum, _, err := s.Get("sum")
		if n, _ := strconv.Atoi(string(sum)); err != nil || n < len(acked) {
			t.Fatalf("kill %d: sum %s of %d, %v", i, sum, len(acked), err)
		}
		must(t, s.Close())
	}
	if len(acked) < kills {
		t.Fatalf("only %d numbers were acknowledged", len(acked))
	}
	t.Logf("%d numbers acknowledged over %d kills", len(acked), kills)
}

// killWriter runs a writer for a while and returns what it acknowledged.
func killWriter(t *testing.T, dir string, from int64, after time.Duration) map[int64]bool {
	t.Helper()
	acked := map[int64]bool{}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerDir+"="+dir, fmt.Sprintf("STORE_TEST_WRITER_FROM=%d", from))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	killed := false
	for lines.Scan() {
		if !killed {
			killed = true
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			_ = cmd.Process.Kill()
			t.Fatalf("writer: %s", lines.Text())
		}
		acked[n] = true
	}
	_ = cmd.Wait()
	return acked
}
