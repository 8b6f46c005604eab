package engine

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
)

// TestRest is a day of a trunk's circuit breaker: f fails, w works, u shows
// nothing, t tries; a number passes so many seconds. The answers are r for
// resting and - for in use, after each step.
func TestRest(t *testing.T) {
	for script, want := range map[string]string{
		"f f f f f":                "- - - - r",
		"f f f f w f f f f":        "- - - - - - - - -",
		"f f f f f f f":            "- - - - r r r", // calls that were under way add nothing
		"f f f f f 14 1 t f 29 1":  "- - - - r r - r r r -",
		"f f f f f 15 t w f f f f": "- - - - r - r - - - - -",
		"f f f f f 15 t u t w":     "- - - - r - r - r -",
		"A60 59 1 t w":             "r r - r -", // 503 with Retry-After: 60
		"A3600 299 1 t f 14 1":     "r r - r r r -",
		"A60 A10 11 49":            "r r r -",
		"f f f f f A30 15 15":      "- - - - r r r -",
		"f f f f f 15 t f 30 t f 60 t f 120 t f 240 t f 300 t f 299 1": "- - - - r - r r - r r - r r - r r - r r - r r r -",
	} {
		var r rest
		now := noon
		var got []string
		for _, step := range strings.Fields(script) {
			switch step {
			case "f":
				r.failed(now)
			case "w":
				r.worked()
			case "u":
				r.unclear()
			case "t":
				r.try(now)
			default:
				asks := strings.HasPrefix(step, "A")
				d, err := time.ParseDuration(strings.TrimPrefix(step, "A") + "s")
				if err != nil {
					t.Fatal(err)
				}
				if asks {
					r.asks(now, d)
				} else {
					now = now.Add(d)
				}
			}
			state := "-"
			if r.resting(now) {
				state = "r"
			}
			got = append(got, state)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s:\n%s, want\n%s", script, strings.Join(got, " "), want)
		}
	}
}

func TestTally(t *testing.T) {
	var all tally
	for range 3 {
		all.add(call.RouteNews{Over: true, Heard: true, Code: 200, Rang: 1500 * time.Millisecond, Answered: true, Talk: 20 * time.Second})
	}
	all.add(call.RouteNews{Over: true, Heard: true, Code: 486})
	all.add(call.RouteNews{Over: true, Heard: true, Code: 487, Rang: 30 * time.Second, Cancelled: true})
	all.add(call.RouteNews{Over: true, Code: 408})
	all.add(call.RouteNews{Over: true, Code: 503})
	raw, _ := json.Marshal(all)
	var again tally
	if err := json.Unmarshal(raw, &again); err != nil || !reflect.DeepEqual(all, again) {
		t.Fatal(err, again)
	}
	got := again.day("2026-11-21")
	want := TrunkDay{Day: "2026-11-21", Attempts: 7, Answers: 3, Cancelled: 1, ASR: 42.9, ACD: 20, PDD: 8.625,
		Failures: map[string]uint64{"486": 1, "silent": 1, "unreachable": 1}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if again.Delays[3] != 3 || again.Delays[len(delayBounds)] != 1 {
		t.Errorf("%v", again.Delays)
	}
	for i := range 2 * maxCodes {
		again.fail(string(rune('A' + i)))
	}
	if len(again.Failures) != maxCodes+1 {
		t.Errorf("%d kinds of failure", len(again.Failures))
	}
}

// TestTrunkRests: a trunk whose calls fail goes behind the other one, ordered
// calls of its own wait, and everybody is told.
func TestTrunkRests(t *testing.T) {
	p := serve(t, `trunks: {one: {address: "127.0.0.1:9", options: off}, two: {address: "127.0.0.1:9", options: off}}`, nil)
	_, next, stop, ok := p.feed.Listen(0)
	if !ok {
		t.Fatal("no place in the feed")
	}
	defer stop()
	order := func() (names string) {
		list, err := p.trunksFor(p.Config(), "+79160000001", call.DialRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			names += one.Name + " "
		}
		return names
	}
	if got := order(); got != "one two " {
		t.Fatal(got)
	}
	for range restAfter {
		p.trunkNews("one", call.RouteNews{Over: true, Code: 503, Heard: true})
	}
	if ev := (<-next).Event; ev.Type != "trunk.resting" || !strings.Contains(string(ev.Data), `"trunk":"one","failures":5,"until":"`) {
		t.Errorf("%+v", ev)
	}
	if got := order(); got != "two one " {
		t.Error(got)
	}
	one, _ := p.Config().Trunk("one")
	if _, _, err := p.lines.seize(one, p.clk.Now(), true); fault.CodeOf(err) != fault.Limit || !strings.Contains(err.Error(), "rests until") {
		t.Errorf("an ordered call: %v", err)
	}
	free, _, err := p.lines.seize(one, p.clk.Now(), false)
	if err != nil {
		t.Errorf("somebody who waits: %v", err)
	} else {
		free()
	}
	line := (*surface)(p.Engine).Trunks().([]TrunkLine)[0]
	if line.State != "resting" || line.RestUntil == "" || len(line.Days) != 1 || line.Days[0].Attempts != restAfter || line.Days[0].Failures["503"] != restAfter {
		t.Errorf("%+v", line)
	}
	w, err := p.whyNumber("+79160000001")
	if err != nil || !strings.Contains(w.Trunks[0].Full, "rests until") || w.Trunks[1].Full != "" {
		t.Errorf("%+v %v", w, err)
	}
	page := scrape(t, p.Engine)
	for _, want := range []string{`loopstart_trunk_resting{trunk="one"} 1`, `loopstart_trunk_rests_total{trunk="one"} 1`,
		`loopstart_trunk_attempts_total{trunk="one"} 5`, `loopstart_trunk_failures_total{code="503",trunk="one"} 5`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	p.trunkNews("one", call.RouteNews{Heard: true, Rang: time.Second})
	if ev := (<-next).Event; ev.Type != "trunk.back" {
		t.Errorf("%+v", ev)
	}
	if got := order(); got != "one two " {
		t.Error(got)
	}
}

// scrape is the page of the metrics.
func scrape(t *testing.T, e *Engine) string {
	t.Helper()
	w := httptest.NewRecorder()
	e.metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 { // a metric that is told twice breaks all of them
		t.Fatalf("/metrics: %d %.500s", w.Code, w.Body)
	}
	return w.Body.String()
}

// TestTrunkAsksForARest: 503 with Retry-After is kept to, by orders, and said.
func TestTrunkAsksForARest(t *testing.T) {
	p := serve(t, `trunks: {one: {address: "127.0.0.1:9", options: off}}`, nil)
	one, _ := p.Config().Trunk("one")
	p.trunkNews("one", call.RouteNews{Over: true, Code: 503, Heard: true, Rang: time.Second, Pause: time.Minute}) // of one callee: it rang
	p.trunkNews("one", call.RouteNews{Over: true, Code: 486, Heard: true, Pause: time.Minute})
	if free, _, err := p.lines.seize(one, p.clk.Now(), true); err != nil {
		t.Fatal(err)
	} else {
		free()
	}
	p.trunkNews("one", call.RouteNews{Over: true, Code: 503, Heard: true, Pause: time.Minute})
	if _, _, err := p.lines.seize(one, p.clk.Now(), true); err == nil || !strings.Contains(err.Error(), "it asks for that (Retry-After)") {
		t.Errorf("%v", err)
	}
	if free, _, err := p.lines.seize(one, p.clk.Now(), false); err != nil {
		t.Errorf("somebody who waits: %v", err)
	} else {
		free()
	}
}

// TestRestMost: rests double up to the longest one, also one that is asked for.
func TestRestMost(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var r rest
	for range restAfter - 1 {
		r.failed(now)
	}
	for want := restFirst; ; want *= 2 {
		if !r.failed(now) || r.until.Sub(now) != min(want, restMost) {
			t.Fatalf("a rest of %s, want %s", r.until.Sub(now), min(want, restMost))
		}
		if now = r.until.Add(time.Second); want > 2*restMost {
			break
		}
	}
	r = rest{}
	if r.asks(now, 2*restMost); r.until.Sub(now) != restMost {
		t.Errorf("asked for: %s", r.until.Sub(now))
	}
}
