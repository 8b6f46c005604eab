package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// scriptState is GET /v1/scripts.
type scriptState struct {
	Name, Version, State, Error string
	Calls                       int
}

// script is a script's newest good version, and what is wrong with its newest
// text.
func (p *project) script(name string) (s scriptState, problem string) {
	p.t.Helper()
	var out struct{ Scripts []scriptState }
	p.api("GET", "/v1/scripts", nil, &out)
	for _, one := range out.Scripts {
		if one.Name != name {
			continue
		}
		if one.State == "active" {
			s = one
		}
		if one.Error != "" {
			problem = one.Error
		}
	}
	return s, problem
}

// versioned is a script of which every version knows its number, in two
// modules: a call that sees two versions of either tells so.
func versioned(n int) string {
	return fmt.Sprintf(`
import { part } from "./part.js";
const version = %d;
export default async function (call) {
  await call.answer();
  const start = [version, part()];
  await call.play("tone:%d/3s");
  await new Promise(r => setTimeout(r, 200));
  call.result = [...start, version, part()];
}`, n, toneOf(n))
}

// toneOf is what version n plays.
func toneOf(n int) int { return 500 + n%3*200 }

func part(n int) string { return fmt.Sprintf("export const part = () => %d;\n", n) }

const (
	reloadCalls = 50
	reloadSeed  = 20261121
)

// TestReloadUnderCalls saves a script every 100 ms, broken now and then, while
// 50 calls come and go.
func TestReloadUnderCalls(t *testing.T) {
	t.Parallel()
	steady(t, func(r testing.TB, _ int) { reloadUnderCalls(t, r) })
}

// reloadUnderCalls fails heard for what a crowded machine does, and t for all else.
func reloadUnderCalls(t, heard testing.TB) {
	p := serve(t, files{"v/main.ts": versioned(0), "v/part.js": part(0)}, conf{rest: "limits: {cps: 1000}"})
	random := rand.New(rand.NewPCG(reloadSeed, 1))
	stop := make(chan struct{})
	var saves sync.WaitGroup
	saves.Add(1)
	go func() {
		defer saves.Done()
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			text := versioned(n)
			if n%5 == 4 {
				text = strings.Replace(text, "const version", "const const", 1)
			}
			_ = os.WriteFile(filepath.Join(p.dir, "scripts/v/main.ts"), []byte(text), 0o644)
		}
	}()
	calls := map[string]*phone.Call{}
	for i := range reloadCalls {
		from := fmt.Sprintf("+790000007%02d", i)
		calls[from] = phone.New(t, from, "127.0.0.1").Call(p.uri("v"), p.sip)
		time.Sleep(time.Duration(20+random.IntN(50)) * time.Millisecond)
	}
	for _, c := range calls {
		c.Talk(10 * time.Second)
	}
	for _, c := range calls {
		c.Ended(20 * time.Second)
	}
	close(stop)
	saves.Wait()
	var rows []record
	eventually(t, "all records", 10*time.Second, func() bool {
		rows = p.list("script=v&limit=1000&outcome=served")
		return len(rows) >= reloadCalls
	})
	seen := map[int]int{}
	for _, r := range rows {
		var v []int
		decode(t, r.Result, &v)
		if len(v) != 4 || v[0] != v[2] || v[1] != v[3] || v[1] != 0 {
			t.Errorf("a call saw versions %v", v)
		}
		if v[0]%5 == 4 {
			t.Errorf("a call ran the broken version %d", v[0])
		}
		seen[v[0]]++
		pcm := calls[r.From].Media.Since(0)
		if d := phone.ToneTime(pcm, float64(toneOf(v[0]))); d < 2700*time.Millisecond || d > 3*time.Second {
			heard.Errorf("%s heard %s of its tone, not 3s", r.From, d)
		}
	}
	if len(rows) != reloadCalls {
		t.Errorf("%d calls, versions %v", len(rows), seen)
	}
	if len(seen) < 2 { // a version a build: few where builds get little time
		heard.Errorf("only the versions %v ran", seen)
	}
	// What was saved last is what runs in the end.
	p.save("v/main.ts", versioned(1000))
	eventually(t, "the last version", 10*time.Second, func() bool {
		c := phone.New(t, "+79000000799", "127.0.0.1").Call(p.uri("v"), p.sip)
		c.Talk(5 * time.Second)
		c.Ended(5 * time.Second)
		rows := p.list("from=%2B79000000799&limit=1")
		return len(rows) > 0 && string(rows[0].Result) == "[1000,0,1000,0]"
	})
}

// answers calls a script and returns its result.
func (p *project) answers(script, from string) string {
	p.t.Helper()
	c := phone.New(p.t, from, "127.0.0.1").Call(p.uri(script), p.sip)
	m := c.Wait("a final answer", 5*time.Second, func(m *phone.Message) bool { return m.Code >= 200 })
	if m.Code != 200 {
		return fmt.Sprint(m.Code)
	}
	c.Ended(5 * time.Second)
	return string(p.ended(from).Result)
}

func saying(what string) string {
	return `export default async (call) => { await call.answer(); call.result = "` + what + `"; }`
}

func TestReloadForms(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"a.ts": saying("one"), "broken.ts": "export default async (call) => {\n  await call.answer(;\n}\n"}, conf{})
	n := 0
	becomes := func(script, want string) {
		t.Helper()
		eventually(t, script+" says "+want, 10*time.Second, func() bool {
			n++
			return p.answers(script, fmt.Sprintf("+790000008%02d", n)) == want
		})
	}
	becomes("a", `"one"`)

	// A broken save keeps the last good version and names its place.
	first, _ := p.script("a")
	p.save("a.ts", "export default async (call) => {\n  await call.answer();\n  call.result = (;\n}\n")
	eventually(t, "the error", 10*time.Second, func() bool { _, e := p.script("a"); return e != "" })
	if s, e := p.script("a"); !strings.HasPrefix(e, "a.ts:3:18") || s.Version != first.Version {
		t.Errorf("version %s after %s, error %q", s.Version, first.Version, e)
	}
	if !strings.Contains(p.log.String(), "a.ts:3:18") {
		t.Errorf("the log does not name the place:\n%s", tail(p.log.String(), 5))
	}
	becomes("a", `"one"`)

	// A script that was broken from the start.
	if _, e := p.script("broken"); !strings.HasPrefix(e, "broken.ts:2:") {
		t.Errorf("error %q", e)
	}
	becomes("broken", "480")
	p.save("broken.ts", saying("mended"))
	becomes("broken", `"mended"`)

	// As editors save: a new file renamed over the old one.
	p.save(".a.ts.swp", saying("two"))
	if err := os.Rename(filepath.Join(p.dir, "scripts/.a.ts.swp"), filepath.Join(p.dir, "scripts/a.ts")); err != nil {
		t.Fatal(err)
	}
	becomes("a", `"two"`)

	// A new folder with a script in it, made elsewhere and moved in.
	p.write("made/main.ts", `import { what } from "./what.js"; export default async (call) => { await call.answer(); call.result = what; }`)
	p.write("made/what.js", `export const what = "folder";`)
	if err := os.Rename(filepath.Join(p.dir, "made"), filepath.Join(p.dir, "scripts/folder")); err != nil {
		t.Fatal(err)
	}
	becomes("folder", `"folder"`)
	p.save("folder/what.js", `export const what = "module";`)
	becomes("folder", `"module"`)

	// A script that is taken away is not found any more.
	if err := os.RemoveAll(filepath.Join(p.dir, "scripts/folder")); err != nil {
		t.Fatal(err)
	}
	becomes("folder", "404")
}

// TestReloadBySymlink swaps the scripts folder as mounted config folders are
// swapped: scripts → ..data/scripts, ..data → a dated folder.
func TestReloadBySymlink(t *testing.T) {
	t.Parallel()
	p := setup(t, nil, conf{})
	p.write("..v1/scripts/a.ts", saying("one"))
	p.write("..v2/scripts/a.ts", saying("two"))
	link := func(target, name string) {
		t.Helper()
		tmp := filepath.Join(p.dir, "tmp-link")
		if err := os.Symlink(target, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(p.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..v1", "..data")
	link("..data/scripts", "scripts")
	p.start()
	if got := p.answers("a", "+79000000901"); got != `"one"` {
		t.Errorf("%s", got)
	}
	link("..v2", "..data")
	n := 0
	eventually(t, "the other folder", 10*time.Second, func() bool {
		n++
		return p.answers("a", fmt.Sprintf("+790000009%02d", 10+n)) == `"two"`
	})
}
