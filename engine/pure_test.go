package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
	callhost "github.com/loopstart/loopstart/stdlib/call/host"
	"github.com/loopstart/loopstart/store"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func storeQuery(script string) store.Query {
	return store.Query{Fields: store.Fields{Script: script, Outcome: "served", Tags: map[string]string{"kind": "test"}}}
}

func TestIDsSortByTimeAndDiffer(t *testing.T) {
	a, b, c := newID(noon), newID(noon.Add(time.Millisecond)), newID(noon.Add(time.Millisecond))
	if !(a < b) || b == c || len(a) != 20 {
		t.Fatal(a, b, c)
	}
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse([]byte(text), "loopstart.yaml", config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestAdmissionLimits(t *testing.T) {
	cfg := parse(t, `
limits: {calls: 3, cps: 100}
scripts: {limits: {small: {calls: 1}, slow: {cps: 1}}}`)
	var a admission
	admit := func(script, route string, max int) fault.Code {
		return fault.CodeOf(a.admit(cfg, noon, ticket{script: script, route: route}, max))
	}
	if got := admit("small", "r", 0); got != "" {
		t.Fatal(got)
	}
	if got := admit("small", "r", 0); got != fault.Limit {
		t.Fatalf("script limit: %s", got)
	}
	if got := admit("x", "r", 1); got != fault.Limit {
		t.Fatalf("route limit: %s", got)
	}
	if got := admit("slow", "s", 0); got != "" {
		t.Fatal(got)
	}
	a.release(ticket{script: "slow", route: "s"})
	if got := admit("slow", "s", 0); got != fault.Rate {
		t.Fatalf("script rate: %s", got)
	}
	if got := fault.CodeOf(a.admit(cfg, noon.Add(1100*time.Millisecond), ticket{script: "slow", route: "s"}, 0)); got != "" {
		t.Fatalf("the bucket does not refill: %s", got)
	}
	if admit("y", "", 0) != "" || admit("z", "", 0) != fault.Limit {
		t.Fatal("total limit")
	}
	if a.refused() != 4 {
		t.Fatalf("%d counted", a.refused())
	}
	a.drain()
	if got := admit("y", "", 0); got != fault.Unavailable {
		t.Fatal(got)
	}
}

func TestTrunkChoice(t *testing.T) {
	cfg := parse(t, `
trunks:
  wide: {address: a.example.ru, destinations: ["+7", "+375"], from: ["+74951111111", "+74952222222"]}
  moscow: {address: b.example.ru, destinations: ["+7495"], from: ["+74953333333"]}
`)
	e := &Engine{log: slog.New(slog.DiscardHandler)}
	e.cfg.Store(cfg)
	for _, c := range []struct {
		number, from, trunk, called, want string
	}{
		{"+74957654321", "", "", "", "moscow,wide"},
		{"+79161234567", "", "", "", "wide"},
		{"+375291234567", "", "", "", "wide"},
		{"+74957654321", "8 495 111-11-11", "", "", "wide"},
		{"+79161234567", "+74953333333", "", "", "DENIED"},
		{"+390612345678", "", "", "", "DENIED"},
		{"+74957654321", "", "wide", "", "wide"},
		{"+79161234567", "", "moscow", "", "DENIED"},
		{"+79161234567", "", "none", "", "NOT_FOUND"},
		{"+79161234567", "+70000000000", "wide", "", "DENIED"},
	} {
		trunks, err := e.trunksFor(cfg, c.number, call.DialRequest{From: c.from, Trunk: c.trunk, Called: c.called})
		var names []string
		for _, tr := range trunks {
			names = append(names, tr.Name)
		}
		got := strings.Join(names, ",")
		if err != nil {
			got = string(fault.CodeOf(err))
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	wide, _ := cfg.Trunk("wide")
	if n := e.callerNumber(cfg, wide, "+79160000001", call.DialRequest{Called: "+74952222222"}); n != "+74952222222" {
		t.Errorf("the called number is not presented: %s", n)
	}
	seen := map[string]bool{}
	for _, to := range []string{"+79160000001", "+79160000002", "+79160000003", "+79160000004"} {
		first := e.callerNumber(cfg, wide, to, call.DialRequest{Called: "+70000000000"})
		if again := e.callerNumber(cfg, wide, to, call.DialRequest{}); again != first {
			t.Errorf("%s sees %s and %s", to, first, again)
		}
		seen[first] = true
	}
	if len(seen) != 2 {
		t.Errorf("only %v are presented", seen)
	}
	e.opts.Dev = true
	if _, err := e.trunksFor(cfg, "+79161234567", call.DialRequest{}); fault.CodeOf(err) != fault.Denied || !strings.Contains(fault.HintOf(err), "--live") {
		t.Errorf("dev dials: %v", err)
	}
	e.opts.Live = "wide"
	if tr, err := e.trunksFor(cfg, "+79161234567", call.DialRequest{}); err != nil || len(tr) != 1 {
		t.Errorf("--live: %v %v", tr, err)
	}
}

func TestStaticConfig(t *testing.T) {
	st, err := ParseStatic("x", json.RawMessage(`{"language":"ru-RU","deliveredAfter":"80%","fallback":[{"say":"a"},{"connect":"sales"},{"connect":["a","b"]}],"data":{"name":"string","sum":"money?"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if st.after.Percent != 80 || len(st.Fallback[1].Connect) != 1 || len(st.Fallback[2].Connect) != 2 {
		t.Fatalf("%+v", st)
	}
	for data, want := range map[string]fault.Code{
		`{"name":"a"}`: "", `{"name":"a","sum":1}`: "", `{}`: fault.Invalid, `{"name":""}`: fault.Invalid, `{"name":null}`: fault.Invalid, `[]`: fault.Invalid,
	} {
		if got := fault.CodeOf(st.CheckData(json.RawMessage(data), "RU")); got != want {
			t.Errorf("%s: %s", data, got)
		}
	}
	for text, want := range map[string]string{
		`{"record":"yes"}`:                          "config.record is a string, true or false is wanted",
		`{"permissions":{"http":"x"}}`:              "config.permissions.http is a string, a list is wanted",
		`{"language":5}`:                            "config.language is a number, a text is wanted",
		`{"language":"ru RU"}`:                      `config.language: "ru RU" is no language`,
		`{"langage":"ru"}`:                          `config: unknown field "langage"`,
		`{"fallback":[{"say":"a","play":"b.wav"}]}`: "config.fallback[0] has 2 of say",
		`{"fallback":[{}]}`:                         "config.fallback[0] has 0 of say",
	} {
		if _, err := ParseStatic("x", json.RawMessage(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]hookRate{`10`: {10, 1}, `"10/s"`: {10, 1}, `"30/m"`: {30, 60}, `"3600/h"`: {3600, 3600}, `"2"`: {2, 1}} {
		st, err := ParseStatic("x", json.RawMessage(`{"hook":{"rate":`+text+`}}`))
		if err != nil || st.Hook.Rate != want {
			t.Errorf("rate %s: %v %v", text, st, err)
		}
	}
	for _, bad := range []string{`{"hook":{"rate":"many"}}`, `{"hook":{"rate":"1/y"}}`, `{"langauge":"ru"}`, `{"deliveredAfter":"soon"}`, `{"data":{"a":"text"}}`, `{"record":"yes"}`} {
		if _, err := ParseStatic("x", json.RawMessage(bad)); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestCallbackForms(t *testing.T) {
	cb, err := parseCallback(json.RawMessage(`"https://crm.example.ru/x"`))
	if err != nil || cb.URL != "https://crm.example.ru/x" {
		t.Fatal(cb, err)
	}
	cb, err = parseCallback(json.RawMessage(`{"url":"http://h/","events":["call.ended"],"secret":"s"}`))
	if err != nil || cb.Secret != "s" || len(cb.Events) != 1 {
		t.Fatal(cb, err)
	}
	for _, bad := range []string{`"ftp://x"`, `{"url":"http://h/","events":["call.over"]}`, `{"url":"http://h/","evnts":["call.ended"]}`, `7`, `""`} {
		if _, err := parseCallback(json.RawMessage(bad)); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSignature(t *testing.T) {
	body := []byte(`{"a":1}`)
	got := Signature("key", time.Unix(1700000000, 0), body)
	m := hmac.New(sha256.New, []byte("key"))
	m.Write([]byte(`1700000000.{"a":1}`))
	if want := "t=1700000000,v1=" + hex.EncodeToString(m.Sum(nil)); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestRetryPlan(t *testing.T) {
	o := &orders{e: &Engine{clk: clock.NewVirtual(noon)}}
	o.e.cfg.Store(parse(t, ""))
	ord := &order{Order: Order{Attempts: 3, Retry: map[string]string{"busy": "5m", "default": "1h"}, Made: make([]OrderAttempt, 1)}}
	for outcome, want := range map[call.Outcome]string{
		call.Busy: "5m0s", call.NoAnswer: "1h0m0s", call.AnsweredShort: "1h0m0s", call.Delivered: "no", call.BadNumber: "no",
	} {
		at, again := o.plan(ord, outcome, 0)
		got := "no"
		if again {
			got = at.Sub(noon).String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", outcome, got, want)
		}
	}
	for pause, want := range map[time.Duration]time.Duration{time.Minute: 5 * time.Minute, 20 * time.Minute: 20 * time.Minute} {
		if at, again := o.plan(ord, call.Busy, pause); !again || at.Sub(noon) != want {
			t.Errorf("asked to wait %s: %s %v", pause, at.Sub(noon), again)
		}
	}
	hours, err := campaign.ParseHours("09:00-12:03")
	if err != nil {
		t.Fatal(err)
	}
	ord.Window, ord.Zone = hours, "UTC"
	if at, again := o.plan(ord, call.Busy, 0); !again || !at.Equal(noon.Add(21*time.Hour)) {
		t.Errorf("beyond the window: %s %v", at, again)
	}
	ord.Expires = noon.Add(time.Hour)
	if at, again := o.plan(ord, call.Busy, 0); again {
		t.Errorf("after it has expired: %s", at)
	}
	ord.Window, ord.Expires = campaign.Hours{}, time.Time{}
	ord.retry = &callhost.Retry{After: time.Minute}
	if at, again := o.plan(ord, call.Delivered, 0); !again || !at.Equal(noon.Add(time.Minute)) {
		t.Errorf("the script's wish: %s %v", at, again)
	}
	ord.Made = make([]OrderAttempt, 3)
	if _, again := o.plan(ord, call.Busy, 0); again {
		t.Error("beyond the cap")
	}
}

func TestRecordingLinks(t *testing.T) {
	clk := clock.NewVirtual(noon)
	r := &recordings{clk: clk, secret: []byte("k"), base: func() string { return "https://pbx" }}
	link, err := r.Link("abc.1", time.Hour)
	if err != nil || !strings.HasPrefix(link, "https://pbx/v1/recordings/abc.1?") {
		t.Fatal(link, err)
	}
	q := link[strings.Index(link, "?")+1:]
	var sig, until string
	for _, p := range strings.Split(q, "&") {
		k, v, _ := strings.Cut(p, "=")
		if k == "sig" {
			sig = v
		} else {
			until = v
		}
	}
	if !r.CheckLink("abc.1", until, sig) || r.CheckLink("abc.2", until, sig) || r.CheckLink("abc.1", until+"0", sig) {
		t.Fatal("signature")
	}
	clk.Advance(2 * time.Hour)
	if r.CheckLink("abc.1", until, sig) {
		t.Fatal("expired links work")
	}
	for _, bad := range []string{"../x", "a/b", "", "a..b", "A", "x\x00"} {
		if _, err := r.Link(bad, 0); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLocalHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1:8080": true, "localhost": true, "[::1]:80": true, "localhost:1": true, "crm.example.ru": false, "10.0.0.1:80": false, "127.0.0.1.example.ru": false,
	} {
		if got := isLocal(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// TestTrunkStates words what is known of a trunk.
func TestTrunkStates(t *testing.T) {
	since := time.Now()
	for want, s := range map[string]sip.TrunkStatus{
		"unknown":      {Since: since},
		"reachable":    {Since: since, Checked: true, Reachable: true},
		"registered":   {Since: since, Checked: true, Reachable: true, Registers: true, Registered: true},
		"unregistered": {Since: since, Checked: true, Reachable: true, Registers: true, Code: 403},
		"unreachable":  {Since: since, Checked: true},
	} {
		var l TrunkLine
		if l.fill(s); l.State != want {
			t.Errorf("%+v is %s, want %s", s, l.State, want)
		}
		if up := want != "unregistered" && want != "unreachable"; trunkUp(s) != up {
			t.Errorf("%s: up is %v", want, !up)
		}
	}
}

// "3/m" is three at once and then one every twenty seconds.
func TestHookRateIsABucket(t *testing.T) {
	s := &settings{}
	now := time.Unix(1e9, 0)
	allowed := func() (n int) {
		for range 10 {
			if s.hookRate("x", now, hookRate{3, 60}) {
				n++
			}
		}
		return n
	}
	for i, want := range []int{3, 1, 1} {
		if got := allowed(); got != want {
			t.Errorf("round %d: %d of 10 requests, want %d", i, got, want)
		}
		now = now.Add(20 * time.Second)
	}
}

func TestNumbersAreMaskedInLogs(t *testing.T) {
	for in, want := range map[string]string{
		"call from +79161234567 ok": "call from +7916***4567 ok",
		"order 16273 for 1500":      "order 16273 for 1500",
		"8 (916) 123-45-67":         "",
	} {
		got := maskNumbers(in)
		if want != "" && got != want || strings.Contains(got, "1234567") || strings.Contains(got, "123-45-67") {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestCallerAddr(t *testing.T) {
	for host, want := range map[string]string{"127.0.0.1": "127.0.0.1", "10.0.0.6": "0.0.0.0", "sip.example.ru": "0.0.0.0", "::1": "::1", "[fd00::6]": "::"} {
		if got := callerAddr(host); got.String() != want {
			t.Errorf("a call to %s begins at %s instead of %s", host, got, want)
		}
	}
}
