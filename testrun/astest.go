package testrun

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/engine"
)

// AsTest writes a test from a real call: who called, what the other ends and
// the web did, which keys were pressed when, and what came of it. What a
// timeline does not hold (bodies of HTTP answers, secret keys, words that people
// said) is left to the author, with a comment that says so.
func AsTest(r engine.Record, line []engine.Entry, zone *time.Location) string {
	w := &scene{record: r, line: line, uses: []string{"expect", "test"}}
	w.begin(zone)
	w.web()
	w.others()
	w.call()
	w.actions()
	w.outcome()
	return w.text(zone)
}

// scene is a test in the making.
type scene struct {
	record engine.Record
	line   []engine.Entry
	uses   []string // imported names
	body   bytes.Buffer
	now    int64 // ms of the call at which the test is
	secret bool  // keys were masked
	left   bool  // the caller hangs up
}

func (w *scene) put(format string, a ...any) { fmt.Fprintf(&w.body, "  "+format+"\n", a...) }

func (w *scene) use(name string) {
	if !slices.Contains(w.uses, name) {
		w.uses = append(w.uses, name)
	}
}

// quoted is a value as JavaScript.
func quoted(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "undefined"
	}
	return strings.TrimSpace(b.String())
}

func (w *scene) text(zone *time.Location) string {
	slices.Sort(w.uses)
	when := w.record.StartedAt.In(zone).Format("2006-01-02 15:04:05")
	return fmt.Sprintf("// Written from call %s of %s.\nimport { %s } from \"loopstart:test\";\n\ntest(%s, async () => {\n%s});\n",
		w.record.ID, when, strings.Join(w.uses, ", "), quoted(w.record.Script+": call "+w.record.ID+", "+string(w.record.Outcome)), w.body.String())
}

// begin goes to the weekday and the time of the call, so that schedules say
// the same. Tests begin on a Monday at ten.
func (w *scene) begin(zone *time.Location) {
	at := w.record.StartedAt.In(zone)
	day := strings.ToLower(at.Weekday().String()) + " "
	if first := begin(zone); at.Weekday() == first.Weekday() && at.Hour() >= first.Hour() {
		day = ""
	}
	w.use("clock")
	w.put(`await clock.to("%s%s");`, day, at.Format("15:04:05"))
}

// asked is one HTTP request of the call.
type asked struct{ method, url, answer string }

// requestOf reads an entry of kind http: "GET https://… → 200, 12 ms" or
// "GET https://…: why it failed".
func requestOf(detail string) (a asked, ok bool) {
	method, rest, ok := strings.Cut(detail, " ")
	if !ok {
		return a, false
	}
	if url, answer, done := strings.Cut(rest, " → "); done {
		status, took, _ := strings.Cut(answer, ", ")
		a = asked{method, url, ".reply(" + status + ", {})"}
		if ms, err := strconv.Atoi(strings.TrimSuffix(took, " ms")); err == nil && ms >= 100 {
			a.answer = fmt.Sprintf(".delay(%q)%s", strconv.Itoa(ms)+"ms", a.answer)
		}
		return a, true
	}
	url, why, ok := strings.Cut(rest, ": ")
	if short, ours := strings.CutPrefix(why, "fetch: "); ours {
		_, why, _ = strings.Cut(short, ": ") // the host
	}
	return asked{method, url, ".fails(" + quoted(why) + ")"}, ok
}

// web mocks what was asked for. The latest mock wins: of several answers of
// one address the first is written last.
func (w *scene) web() {
	var list []asked
	for _, e := range w.line {
		if a, ok := requestOf(e.Detail); ok && e.Kind == "http" {
			list = append(list, a)
		}
		if url, ok := strings.CutPrefix(e.Detail, "stored for "); ok && e.Kind == "webhook" {
			list = append(list, asked{"POST", url, ".reply(200)"})
		}
	}
	if len(list) == 0 {
		return
	}
	w.use("http")
	w.put("// What was answered is not kept in a timeline: put it in place of {}.")
	done := map[asked]bool{}
	for i := len(list) - 1; i >= 0; i-- {
		a, times := list[i], ".times(1)"
		where := asked{method: a.method, url: a.url}
		if !done[where] {
			times, done[where] = "", true
		}
		w.put("http.on(%s, %s)%s%s;", quoted(a.method), quoted(a.url), a.answer, times)
	}
}

// dialled is one leg that the call has dialled.
type dialled struct {
	leg, handle string
	at          int64
	habit       string
}

// legs reads how each dialled leg went.
func (w *scene) legs() []*dialled {
	var out []*dialled
	by := map[string]*dialled{}
	for _, e := range w.line {
		name, dials := strings.CutPrefix(e.Detail, "dialling ")
		d := by[e.Leg]
		switch {
		case e.Kind != "state":
		case dials:
			name, _, through := strings.Cut(name, " through ")
			kind := "user"
			if through || strings.HasPrefix(name, "sip:") {
				kind = "callee"
			}
			d = &dialled{leg: e.Leg, handle: kind + "(" + quoted(name) + ")", at: e.AtMs}
			by[e.Leg], out = d, append(out, d)
		case d == nil || d.habit != "":
		case e.Detail == "answered":
			d.habit = fmt.Sprintf(".answers({ after: %s%%s });", spanOf(e.AtMs-d.at))
		case strings.HasPrefix(e.Detail, "ended by the other side, "):
			d.habit = refusal(strings.TrimPrefix(e.Detail, "ended by the other side, "), e.AtMs-d.at)
		case strings.HasPrefix(e.Detail, "ended by us"):
			d.habit = ".ringsOut({%s });"
		}
	}
	return out
}

func refusal(words string, after int64) string {
	code, _, _ := strings.Cut(words, " ")
	n, err := strconv.Atoi(code)
	switch {
	case err != nil || n < 300:
		return ".ringsOut({%s });"
	case n == 486 || n == 600:
		return fmt.Sprintf(".busy({ after: %s%%s });", spanOf(after))
	}
	return fmt.Sprintf(".rejects(%d, { after: %s%%s });", n, spanOf(after))
}

// spanOf is a duration as tests write it, to a tenth of a second.
func spanOf(ms int64) string {
	if ms < 1000 {
		return quoted(fmt.Sprintf("%dms", ms))
	}
	return quoted(strconv.FormatFloat(float64((ms+50)/100)/10, 'f', -1, 64) + "s")
}

// others says how those who were dialled take their calls.
func (w *scene) others() {
	last := map[string]string{}
	list := w.legs()
	for _, d := range list {
		last[d.handle] = d.leg
	}
	for _, d := range list {
		if d.habit == "" {
			continue
		}
		times := ", times: 1"
		if last[d.handle] == d.leg {
			times = ""
		}
		habit := fmt.Sprintf(d.habit, times)
		habit = strings.NewReplacer("({,", "({", "({ })", "()").Replace(habit)
		name, _, _ := strings.Cut(d.handle, "(")
		w.use(name)
		w.put("%s%s", d.handle, habit)
	}
}

// call makes the call.
func (w *scene) call() {
	r := w.record
	fields := []string{}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, name+": "+quoted(value))
		}
	}
	verb := "inbound"
	data := len(r.Data) > 0 && string(r.Data) != "{}" && string(r.Data) != "null"
	if r.Direction == "outbound" {
		verb = "outbound"
		add("script", r.Script)
		add("to", r.To)
	} else {
		to := r.To
		routed := r.Trunk != "" && strings.Trim(to, "+0123456789") == ""
		if !routed {
			to = r.Script
		}
		add("to", to)
		add("from", r.From)
		add("trunk", r.Trunk)
		data = data && !routed // which the route gives
	}
	if data {
		fields = append(fields, "data: "+string(r.Data))
	}
	w.use(verb)
	w.put("const c = await %s({ %s });", verb, strings.Join(fields, ", "))
}

// outcome writes what must come of it.
func (w *scene) outcome() {
	r := w.record
	w.put("const record = await c.ended();")
	w.put("expect(record.outcome).toBe(%s);", quoted(r.Outcome))
	if len(r.Result) > 0 {
		comment := ""
		if w.secret {
			comment = "// it may hold secret keys: "
		}
		w.put("%sexpect(record.result).toEqual(%s);", comment, compactJSON(r.Result))
	}
	if len(r.Tags) > 0 {
		w.put("expect(record.tags).toEqual(%s);", quoted(r.Tags))
	}
}

func compactJSON(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}
