package outbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/store"
)

// feederDir makes the test binary a process that enqueues until it is killed.
const feederDir = "OUTBOX_TEST_FEEDER_DIR"

const feeders = 4

func TestMain(m *testing.M) {
	if dir := os.Getenv(feederDir); dir != "" {
		from, _ := strconv.Atoi(os.Getenv("OUTBOX_TEST_FEEDER_FROM"))
		if err := feed(dir, from); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// feed enqueues rising numbers, each feeder into a queue of its own, and
// prints those that are acknowledged. Even ones are delivered meanwhile.
func feed(dir string, from int) error {
	st, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		return err
	}
	box, err := Open(Options{Space: st.Space("outbox"), Deliver: func(_ context.Context, it Item) Result {
		if strings.HasPrefix(it.Queue, "q0") || strings.HasPrefix(it.Queue, "q2") {
			_, _ = os.Stdout.WriteString("delivered " + it.ID + "\n")
			return Result{OK: true}
		}
		return Result{Retry: errBusy}
	}})
	if err != nil {
		return err
	}
	box.Start()
	failed := make(chan error)
	for q := range feeders {
		go func() {
			for n := from; ; n++ {
				id := fmt.Sprintf("q%d/%d", q, n)
				if err := box.Enqueue(Item{ID: id, Queue: fmt.Sprintf("q%d", q), Payload: json.RawMessage(strconv.Itoa(n))}); err != nil {
					failed <- err
				}
				_, _ = os.Stdout.WriteString("queued " + id + "\n")
			}
		}()
	}
	return <-failed
}

// TestKill kills a feeding process and looks whether what it acknowledged is
// delivered, in order, by the next one.
func TestKill(t *testing.T) {
	dir, random := t.TempDir(), rand.New(rand.NewPCG(7, 7))
	queued, delivered := map[string]bool{}, map[string]bool{}
	for i := 0; i < 5 || len(queued) < 50 && i < 50; i++ { // more where a process gets little time
		killFeeder(t, dir, (i+1)*1_000_000, time.Duration(20+random.IntN(80))*time.Millisecond, queued, delivered)
		if i < 4 && i%2 == 0 {
			continue // two kills in a row
		}
		for id := range deliverRest(t, dir) {
			delivered[id] = true
		}
		for id := range queued {
			if !delivered[id] {
				t.Fatalf("kill %d: %s was acknowledged and never delivered", i, id)
			}
		}
	}
	if len(queued) < 50 {
		t.Fatalf("only %d were enqueued", len(queued))
	}
}

// deliverRest opens the outbox, accepts everything and checks the order.
func deliverRest(t *testing.T, dir string) map[string]bool {
	t.Helper()
	st, err := store.Open(store.Options{Dir: dir})
	must(t, err)
	var mu sync.Mutex
	got, last := map[string]bool{}, map[string]int{}
	box, err := Open(Options{Space: st.Space("outbox"), Deliver: func(_ context.Context, it Item) Result {
		mu.Lock()
		defer mu.Unlock()
		n, err := strconv.Atoi(string(it.Payload))
		if err != nil || n <= last[it.Queue] {
			t.Errorf("%s after %d: %v", it.ID, last[it.Queue], err)
		}
		last[it.Queue] = n
		got[it.ID] = true
		return Result{OK: true}
	}})
	must(t, err)
	// What had failed waits for its time; somebody asks for it now.
	for _, q := range box.plan.queues {
		q.items[0].nextAt = time.Time{}
		box.plan.ready(q, box)
	}
	box.Start()
	eventually(t, func() bool { return box.Stats().Waiting == 0 })
	box.Close()
	must(t, st.Close())
	return got
}

func killFeeder(t *testing.T, dir string, from int, after time.Duration, queued, delivered map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), feederDir+"="+dir, fmt.Sprintf("OUTBOX_TEST_FEEDER_FROM=%d", from))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	killed := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if !killed {
			killed = true
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		switch what, id, _ := strings.Cut(lines.Text(), " "); what {
		case "queued":
			queued[id] = true
		case "delivered":
			delivered[id] = true
		default:
			_ = cmd.Process.Kill()
			t.Fatal(lines.Text())
		}
	}
	_ = cmd.Wait()
}
