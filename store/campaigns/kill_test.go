package campaigns

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

const (
	dialerDir    = "CAMPAIGNS_TEST_DIALER_DIR" // makes the test binary a dialer
	killContacts = 500
	killCalls    = 20
	killAttempts = 3
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(dialerDir); dir != "" {
		if err := dialOn(dir); err != nil {
			fmt.Println("fault", err)
			os.Exit(fault.ExitOf(err))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// pipeDialer tells the parent of each dial, which keeps the truth, and ends it
// a little later.
type pipeDialer struct {
	c   *campaign.Campaign
	mu  sync.Mutex
	rnd *rand.Rand
}

func (d *pipeDialer) Dial(a campaign.Attempt) {
	_, _ = os.Stdout.WriteString("dial " + a.ID + " " + a.To + "\n")
	d.mu.Lock()
	defer d.mu.Unlock()
	o := []campaign.Outcome{campaign.Delivered, campaign.Busy, campaign.NoAnswer, campaign.AnsweredShort}[d.rnd.IntN(4)]
	clock.System().AfterFunc(time.Duration(1+d.rnd.IntN(12))*time.Millisecond, func() { d.c.Result(a.ID, campaign.Result{Outcome: o}) })
}

func (*pipeDialer) Cancel(string) {}

// dialOn runs the campaign of a folder to its end, or until it is killed.
func dialOn(dir string) error {
	s, err := store.Open(store.Options{Dir: dir, Reserve: 1 << 20})
	if err != nil {
		return err
	}
	repo := New(s.Space(SpaceName))
	d := &pipeDialer{rnd: rand.New(rand.NewPCG(uint64(os.Getpid()), 1))}
	done := make(chan struct{})
	var once sync.Once
	deps := campaign.Deps{Clock: clock.System(), Repo: repo, Dialer: d, Zone: "UTC", Changed: func(r campaign.Row) {
		if r.State == campaign.Completed {
			once.Do(func() { close(done) })
		}
	}}
	row, ok, err := repo.Row("k")
	if err == nil && !ok {
		spec := campaign.Spec{Script: "s", Attempts: killAttempts, MaxCalls: killCalls, Retry: campaign.Retry{"default": 0}}
		d.c, err = campaign.Create("k", spec, deps)
	} else if err == nil {
		d.c, err = campaign.Open(row, deps)
	}
	if err != nil {
		return err
	}
	// What an earlier run has added is a duplicate.
	var entries []campaign.Entry
	for i := range killContacts {
		entries = append(entries, campaign.Entry{Contact: campaign.Contact{Phones: []string{fmt.Sprintf("+7916%07d", i)}}})
	}
	if _, err := d.c.Add(entries); err != nil {
		return err
	}
	if _, err := d.c.Start(); err != nil && d.c.Row().State != campaign.Completed {
		return err
	}
	_, _ = os.Stdout.WriteString("ready\n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go d.c.Run(ctx)
	<-done
	_, _ = os.Stdout.WriteString("completed\n")
	return s.Close()
}

// TestKill kills a dialing process again and again. By the log of those who
// were called, nobody is called twice for one attempt or beyond the cap; every
// contact ends in a stated outcome; and unknown are at most the attempts that
// were in progress.
func TestKill(t *testing.T) {
	dir, rnd := t.TempDir(), rand.New(rand.NewPCG(4, 2))
	dialled, perOrder, kills := map[string]string{}, map[string]int{}, 0
	most := 12
	if testing.Short() {
		most = 4
	}
	for completed := false; !completed; kills++ {
		if kills > 60 {
			t.Fatal("it does not come to an end")
		}
		after := time.Duration(rnd.IntN(120)) * time.Millisecond
		if kills >= most {
			after = time.Hour
		}
		for _, line := range dialUntil(t, dir, after) {
			verb, rest, _ := strings.Cut(line, " ")
			id, phone, _ := strings.Cut(rest, " ")
			switch {
			case verb == "completed":
				completed = true
			case verb == "fault":
				t.Fatalf("restart %d: %s", kills, rest)
			case verb == "dial" && dialled[id] != "":
				t.Fatalf("%s is dialled twice", id)
			case verb == "dial":
				dialled[id] = phone
				order, _, _ := strings.Cut(id, ".")
				if perOrder[order]++; perOrder[order] > killAttempts {
					t.Fatalf("%s is dialled %d times", order, perOrder[order])
				}
			}
		}
	}
	checkAfterKills(t, dir, dialled, kills)
}

// dialUntil runs a dialer for so long after it is ready.
func dialUntil(t *testing.T, dir string, after time.Duration) (lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dialerDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewScanner(out); in.Scan(); {
		if lines = append(lines, in.Text()); in.Text() == "ready" {
			defer time.AfterFunc(after, func() { _ = cmd.Process.Kill() }).Stop()
		}
	}
	_ = cmd.Wait()
	return lines
}

func checkAfterKills(t *testing.T, dir string, dialled map[string]string, kills int) {
	t.Helper()
	_, repo := openRepo(t, dir)
	contacts, err := repo.Contacts("k", 0, killContacts+1)
	if err != nil || len(contacts) != killContacts {
		t.Fatal(len(contacts), err)
	}
	stated, unknown := map[string]bool{}, 0
	for _, k := range contacts {
		if k.State != campaign.Done || k.Outcome == "" || len(k.Attempts) > killAttempts || len(k.Attempts) == 0 {
			t.Errorf("%+v", *k)
		}
		for _, a := range k.Attempts {
			stated[a.ID] = true
			if a.Outcome == campaign.Unknown {
				unknown++
			} else if dialled[a.ID] != a.Phone {
				t.Errorf("%s has outcome %s and was not dialled", a.ID, a.Outcome)
			}
		}
	}
	for id := range dialled {
		if !stated[id] {
			t.Errorf("%s was dialled without an intent on disk", id)
		}
	}
	row, _, err := repo.Row("k")
	if err != nil || row.Counts.Done != killContacts || row.Counts.Attempts != int64(len(stated)) || unknown > kills*killCalls {
		t.Errorf("%+v %v, %d unknown after %d kills", row.Counts, err, unknown, kills)
	}
	t.Logf("%d kills, %d dials, %d unknown", kills-1, len(dialled), unknown)
}

// TestSecondProcess: two processes on one store are refused.
func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	openRepo(t, dir)
	lines := dialUntil(t, dir, 0)
	if len(lines) != 1 || !strings.Contains(lines[0], "in use by another process") {
		t.Errorf("%q", lines)
	}
}

// TestReopen closes the store between intent and result, as often as there are
// attempts.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	for round := range killAttempts + 1 {
		s, repo := openStore(t, dir)
		d := &holdDialer{}
		deps := campaign.Deps{Clock: clock.System(), Repo: repo, Dialer: d}
		var c *campaign.Campaign
		row, ok, err := repo.Row("k")
		if err == nil && !ok {
			spec := campaign.Spec{Script: "s", Attempts: killAttempts, Retry: campaign.Retry{"unknown": 0}}
			if c, err = campaign.Create("k", spec, deps); err == nil {
				_, err = c.Add([]campaign.Entry{{Contact: campaign.Contact{Phones: []string{"+79160000001"}}}})
			}
		} else if err == nil {
			c, err = campaign.Open(row, deps)
		}
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			if _, err := c.Start(); err != nil {
				t.Fatal(err)
			}
		}
		c.Step()
		want := 1
		if round == killAttempts {
			want = 0
		}
		if len(d.dialed) != want {
			t.Fatalf("round %d: %d dials", round, len(d.dialed))
		}
		if k, err := c.Contact("+79160000001"); err != nil || round == killAttempts && k.Outcome != campaign.Unknown {
			t.Fatalf("%+v %v", k, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// holdDialer never ends a call.
type holdDialer struct{ dialed []campaign.Attempt }

func (d *holdDialer) Dial(a campaign.Attempt) { d.dialed = append(d.dialed, a) }

func (*holdDialer) Cancel(string) {}
