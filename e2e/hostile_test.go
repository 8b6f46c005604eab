package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// What the neighbours of a hostile script may lose, and what the program may
// keep of it.
const (
	mostLost     = 0.001     // of the audio of all calls
	mostKept     = 64 << 20  // bytes of the main process, beside the calls
	mostWorker   = 500 << 20 // bytes of a worker that was left alive
	hostileAtOne = 3         // attacks at the same time
)

// attack is one script of the corpus of runtime/testdata/hostile.
type attack struct {
	name, source string
	refused      bool // by the build
	harmless     bool // it may simply return
}

var repeatMark = regexp.MustCompile(`/\*(\d+) (.*?)\*/`)

// corpus reads the scripts that attack the engine; those that need a network
// are left out.
func corpus(t *testing.T) (out []attack) {
	t.Helper()
	paths, err := filepath.Glob("../runtime/testdata/hostile/*.js")
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d hostile scripts, %v", len(paths), err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		a := attack{name: "h-" + strings.TrimSuffix(filepath.Base(path), ".js"), source: string(raw)}
		if strings.Contains(a.source, "https://") {
			continue
		}
		expected := strings.SplitN(a.source, "\n", 3)[1]
		a.refused, a.harmless = strings.Contains(expected, "refused"), strings.Contains(expected, "harmless")
		a.source = repeatMark.ReplaceAllStringFunc(a.source, func(m string) string {
			parts := repeatMark.FindStringSubmatch(m)
			n, _ := strconv.Atoi(parts[1])
			return strings.Repeat(parts[2], n)
		})
		out = append(out, a)
	}
	return out
}

// TestHostileBesideCalls lets hostile scripts take calls while others play: the
// others lose no audio, every offender ends with a named error and the route's
// fallback, the program lives and its memory comes back. Every eighth script
// beside 20 calls; with LOOPSTART_SOAK all of them beside 100.
func TestHostileBesideCalls(t *testing.T) {
	all, beside, each := corpus(t), 20, 16
	if os.Getenv("LOOPSTART_SOAK") == "" {
		var some []attack
		for i := 0; i < len(all); i += 8 {
			some = append(some, all[i])
		}
		all = some
	} else {
		beside = 100
	}
	for i := 0; i < len(all); i += each {
		part := all[i:min(len(all), i+each)]
		steady(t, func(t testing.TB, _ int) { besides(t, part, beside) })
	}
}

// besides serves some attacks beside calls that play.
func besides(t testing.TB, attacks []attack, calls int) {
	scripts := files{"plays.ts": crashScripts["steady.ts"]}
	routes := "limits: {cps: 1000}\nroutes:\n"
	for _, a := range attacks {
		scripts[a.name+".js"] = a.source
		routes += fmt.Sprintf("  - {to: %[1]q, script: %[1]q, fallback: [{reject: 480}]}\n", a.name)
	}
	p := setup(t, scripts, conf{rest: routes})
	p.dies = true
	p.start()
	before := p.memory(p.cmd.Process.Pid)
	playing := make([]*phone.Call, calls)
	ua := phone.New(t, "+79000006000", "127.0.0.1")
	for i := range playing {
		playing[i] = ua.Call(p.uri("plays"), p.sip)
		playing[i].Talk(10 * time.Second)
	}
	for _, c := range playing {
		c.Media.WaitPackets(25, 0, 10*time.Second)
	}
	slots := make(chan struct{}, hostileAtOne)
	var wg sync.WaitGroup
	for i, a := range attacks {
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-slots; wg.Done() }()
			p.attacked(a, fmt.Sprintf("+790000061%02d", i))
		}()
	}
	wg.Wait()
	checkLost(t, playing)
	for _, pid := range p.workers() {
		if size := p.memory(pid); size > mostWorker {
			t.Errorf("a worker keeps %d MB", size>>20)
		}
	}
	for _, c := range playing {
		c.Hangup()
	}
	eventually(t, "the memory of the program to come back", testLimit, func() bool {
		return p.memory(p.cmd.Process.Pid) < before+mostKept
	})
	again := ua.Call(p.uri("plays"), p.sip)
	again.Talk(10 * time.Second)
	again.Media.WaitTone(500, 200*time.Millisecond, 0, 5*time.Second)
	again.Hangup()
	if code := p.api("GET", "/healthz", nil, nil); code != 200 {
		t.Errorf("/healthz answers %d", code)
	}
}

// attacked rings a hostile script and looks at how that ended.
func (p *project) attacked(a attack, from string) {
	ua := phone.New(p.t, from, "127.0.0.1")
	c := ua.Call(p.uri(a.name), p.sip)
	end := c.Wait("end of the attack", testLimit, func(m *phone.Message) bool { return m.Code >= 200 || m.Method == "BYE" })
	if a.refused {
		if end.Code != 480 {
			p.t.Errorf("%s: a script that does not build was called: %d", a.name, end.Code)
		}
		return
	}
	r := p.ended(from)
	line := p.timeline(r.ID)
	for _, e := range line {
		if e.Kind == "error" && e.Detail != "" {
			return
		}
	}
	if !a.harmless {
		p.t.Errorf("%s: outcome %s without a named error: %+v", a.name, r.Outcome, line)
	}
}

// checkLost holds what came against what the timestamps say should have, and
// tells which part is lost.
func checkLost(t testing.TB, calls []*phone.Call) (part float64) {
	t.Helper()
	const block = 160
	wanted, got := 0, 0
	for _, c := range calls {
		packets := c.Media.Packets()
		if c.IsOver() || len(packets) == 0 {
			t.Errorf("a call beside is over, with %d packets", len(packets))
			continue
		}
		first, last := packets[0], packets[len(packets)-1]
		wanted += int((last.TS-first.TS)/block) + 1
		got += len(packets)
	}
	if lost := wanted - got; float64(lost) > mostLost*float64(wanted) {
		t.Errorf("%d of %d frames are lost", lost, wanted)
	} else {
		t.Logf("%d of %d frames are lost", lost, wanted)
	}
	return float64(wanted-got) / float64(max(wanted, 1))
}

// memory is what a process holds itself: what is resident, but for mapped files,
// which are the store's and grow with it.
func (p *project) memory(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 3 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	mapped, _ := strconv.ParseInt(fields[2], 10, 64)
	return (pages - mapped) * int64(os.Getpagesize())
}
