package store

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/powercut"
)

// TestPowerCut cuts the power of a writing process again and again, each time
// from what the last cut has left. Nothing that was acknowledged may be missing
// and every first Open has to work.
func TestPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("tracing and the race detector are slow together")
	}
	const cuts = 6
	dir, random := t.TempDir(), rand.New(rand.NewPCG(4, 2026))
	acked := map[int64]bool{}
	for i := range cuts {
		after := t.TempDir()
		fresh := cutWriter(t, dir, after, int64(i+1)*1_000_000, 10+random.IntN(250), random)
		dir = after
		maps.Copy(acked, fresh)
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		for n := range acked {
			if v, ok, err := s.Get(numberKey(n)); !ok || err != nil || !strings.HasPrefix(string(v), fmt.Sprintf(`{"n":%d,`, n)) {
				t.Fatalf("cut %d: number %d is missing: %v", i, n, err)
			}
		}
		sum, _, err := s.Get("sum")
		if n, _ := strconv.Atoi(string(sum)); err != nil || n < len(acked) {
			t.Fatalf("cut %d: sum %s of %d, %v", i, sum, len(acked), err)
		}
		must(t, s.Close())
	}
	if len(acked) < cuts {
		t.Fatalf("only %d numbers were acknowledged", len(acked))
	}
	t.Logf("%d numbers acknowledged over %d cuts", len(acked), cuts)
}

// cutWriter runs a writer until so many syncs and returns what it acknowledged.
func cutWriter(t *testing.T, dir, after string, from int64, syncs int, random *rand.Rand) map[int64]bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerDir+"="+dir, fmt.Sprintf("STORE_TEST_WRITER_FROM=%d", from), "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=2")
	out, err := cmd.StdoutPipe()
	must(t, err)
	p, err := powercut.Start(cmd, dir)
	if err != nil {
		t.Skipf("processes cannot be traced here: %v", err)
	}
	text := make(chan []byte, 1)
	go func() {
		raw, _ := io.ReadAll(out)
		text <- raw
	}()
	ended, err := p.Run(func(n int) bool { return n < syncs })
	must(t, err)
	must(t, p.Cut(after, random))
	raw := <-text
	if ended {
		t.Fatalf("the writer ended: %s", raw)
	}
	acked := map[int64]bool{}
	for lines := bufio.NewScanner(strings.NewReader(string(raw))); lines.Scan(); {
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			t.Fatalf("writer: %s", lines.Text())
		}
		acked[n] = true
	}
	return acked
}
