package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// ladderRounds of ladderCalls each, with and without the ladder in turn.
const (
	ladderRounds = 5
	ladderCalls  = 200
)

// spent is the processor time of a project's main process so far, in ticks of
// the kernel, of which a second has 100.
func (p *project) spent(t testing.TB) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}

// timelineSize is how many bytes the timeline of the last call has, with its
// ladder.
func (p *project) timelineSize(t testing.TB) (n int) {
	t.Helper()
	var list struct{ Calls []struct{ ID string } }
	if code := p.api("GET", "/v1/calls?limit=1", nil, &list); code != 200 || len(list.Calls) != 1 {
		t.Fatalf("calls: %d %+v", code, list)
	}
	for _, part := range []string{"timeline", "sip"} {
		var raw json.RawMessage
		if code := p.api("GET", "/v1/calls/"+list.Calls[0].ID+"/"+part, nil, &raw); code != 200 && part == "timeline" {
			t.Fatalf("%s: %d", part, code)
		}
		n += len(raw)
	}
	return n
}

// TestLadderCost measures what the SIP ladder adds to a call: processor time of
// the main process, and bytes of the timeline, with and without it in turn.
func TestLadderCost(t *testing.T) {
	soaking(t)
	var projects [2]*project
	var ticks [2]int
	for i, trace := range []string{"true", "false"} {
		projects[i] = serve(t, files{"short.ts": `export default async (call) => { await call.answer(); await call.play("tone:500/100ms"); }`},
			conf{sip: "trace: " + trace, rest: "limits: {cps: 5000}"})
	}
	for round := range 2 * (ladderRounds + 1) {
		i := round % 2
		p := projects[i]
		before := p.spent(t)
		t.Run(fmt.Sprint("round ", round/2), func(t *testing.T) { placeCalls(t, p, "short", ladderCalls) })
		if round > 1 { // the first is to warm up
			ticks[i] += p.spent(t) - before
		}
	}
	with, without := projects[0].timelineSize(t), projects[1].timelineSize(t)
	perCall := func(i int) float64 { return float64(ticks[i]) * 10 / (ladderRounds * ladderCalls) }
	t.Logf("| SIP ladder | CPU per call | timeline of a call |")
	t.Logf("| on | %.2f ms | %d bytes |", perCall(0), with)
	t.Logf("| off | %.2f ms | %d bytes |", perCall(1), without)
	t.Logf("| ratio | %.2f | %.2f |", perCall(0)/perCall(1), float64(with)/float64(without))
	if with <= without {
		t.Error("the ladder is missing")
	}
}

// placeCalls places n calls to a script that hangs up by itself, atOnce at a time.
func placeCalls(t *testing.T, p *project, script string, n int) {
	t.Helper()
	work := make(chan struct{}, n)
	for range n {
		work <- struct{}{}
	}
	close(work)
	over := make(chan struct{})
	for w := range atOnce {
		ua := phone.New(t, fmt.Sprintf("+7900000%04d", 8400+w), "127.0.0.1")
		ua.Patient = true
		go func() {
			defer func() { over <- struct{}{} }()
			for range work {
				c := ua.Call(p.uri(script), p.sip)
				c.Talk(testLimit)
				c.Ended(testLimit)
				c.Media.Close()
			}
		}()
	}
	for range atOnce {
		<-over
	}
}
