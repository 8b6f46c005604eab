package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/powercut"
)

// TestCampaignPowerCut takes the power away again and again while a list is
// called: the store is what had been synced, and an arbitrary part of the rest.
// The provider's own log is the truth, as in TestCampaignKill9.
func TestCampaignPowerCut(t *testing.T) {
	t.Parallel()
	const attempts, atOnce = 3, 6
	people, cuts := soak(30, 500), soak(3, 100)
	x := newExchange(t, "127.0.0.77")
	p := setup(t, files{"tell.ts": `export default async (call) => { await call.play("tone:500/100ms"); }`}, conf{
		rest: fmt.Sprintf("trunks:\n  x: {address: \"%s\", options: off, destinations: [\"+7\"], max_calls: 50, max_cps: 1000}\n", x.conn.LocalAddr()),
	})
	if err := os.MkdirAll(p.store(), 0o700); err != nil {
		t.Fatal(err)
	}
	var made struct{ ID string }
	random := rand.New(rand.NewPCG(11, 2026))
	for cut := range cuts {
		end := p.power(random)
		if cut == 0 {
			if code := p.api("POST", "/v1/campaigns", map[string]any{
				"script": "tell", "trunk": "x", "attempts": attempts, "retry": map[string]string{"default": "300ms"}, "max_calls": atOnce, "max_cps": 15,
			}, &made); code != 201 {
				t.Fatalf("POST /v1/campaigns: %d", code)
			}
			list := make([]map[string]any, people)
			for i := range list {
				list[i] = map[string]any{"phone": "+7916" + fmt.Sprintf("%07d", i)}
			}
			p.api("POST", "/v1/campaigns/"+made.ID+"/contacts", map[string]any{"contacts": list}, nil)
			p.api("POST", "/v1/campaigns/"+made.ID+"/start", nil, nil)
		}
		until, deadline := x.count()+1+random.IntN(atOnce), time.Now().Add(5*time.Second)
		for x.count() < until && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		if state := p.campaign(made.ID).State; cut < 3 && state != "running" {
			t.Fatalf("the campaign is %q before cut %d", state, cut)
		}
		end()
	}
	p.start()
	eventually(t, "the end of the campaign", time.Duration(soak(60, 600))*time.Second, func() bool { return p.campaign(made.ID).State == "completed" })
	t.Logf("%d cuts, %d calls", cuts, x.count())
	x.check(t, p.contacts(made.ID), people, attempts, cuts*atOnce)
}

func (p *project) store() string { return filepath.Join(p.dir, "data") }

// power starts the program so that end can take the power away from it.
func (p *project) power(random *rand.Rand) (end func()) {
	p.t.Helper()
	p.log = &logBuffer{}
	log, err := os.Create(filepath.Join(p.dir, "power.log"))
	if err != nil {
		p.t.Fatal(err)
	}
	off, over, after := make(chan struct{}), make(chan error, 1), p.t.TempDir()
	go func() {
		defer log.Close()
		over <- p.traced(log, off, after, random)
	}()
	end = func() {
		close(off)
		if err := <-over; err != nil {
			p.t.Fatal(err)
		}
		p.relay(after)
	}
	for deadline := time.Now().Add(testLimit); ; time.Sleep(20 * time.Millisecond) {
		raw, _ := os.ReadFile(log.Name())
		select {
		case err := <-over:
			if errors.Is(err, powercut.ErrTrace) {
				p.t.Skipf("processes cannot be traced here: %v", err)
			}
			p.t.Fatalf("loopstart does not start: %v\n%s", err, raw)
		default:
		}
		if answer, err := http.Get("http://" + p.http.String() + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK && bytes.Contains(raw, []byte(`"msg":"ready"`)) {
				return end
			}
		}
		if time.Now().After(deadline) {
			close(off)
			<-over
			p.t.Fatalf("loopstart is not ready:\n%s", raw)
		}
	}
}

// traced runs the program until off is closed, and then cuts the power.
func (p *project) traced(log *os.File, off chan struct{}, after string, random *rand.Rand) error {
	cmd := exec.Command(binary, "run", "-c", filepath.Join(p.dir, "loopstart.yaml"))
	cmd.Dir, cmd.Stderr, cmd.Stdout = p.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH"), "GODEBUG=asyncpreemptoff=1"}
	running, err := powercut.Start(cmd, p.store())
	if err != nil {
		return err
	}
	ended, err := running.Run(func(int) bool {
		select {
		case <-off:
			return false
		default:
			return true
		}
	})
	if cut := running.Cut(after, random); err == nil {
		err = cut
	}
	if ended && err == nil {
		err = fmt.Errorf("it ended by itself")
	}
	return err
}

// relay puts what a power cut left in the place of the store's files.
func (p *project) relay(after string) {
	for _, dir := range []string{p.store(), after} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range entries {
			switch name := filepath.Join(dir, e.Name()); {
			case e.IsDir():
			case dir == after:
				err = os.Rename(name, filepath.Join(p.store(), e.Name()))
			default:
				err = os.Remove(name)
			}
			if err != nil {
				p.t.Fatal(err)
			}
		}
	}
}
