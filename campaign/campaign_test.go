package campaign_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/campaign/campaigntest"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// asking is a dialer that asks the script first.
type asking struct {
	*world
	answers map[string]campaign.Decision // by number
	asked   []string
}

func (a *asking) Prepare(at campaign.Attempt) {
	a.asked = append(a.asked, at.ID)
	a.c.Prepared(at.ID, a.answers[at.To])
}

func TestPrepare(t *testing.T) {
	w := newWorld(t)
	a := &asking{world: w, answers: map[string]campaign.Decision{
		number(1): {Skip: "has paid"}, number(2): {Later: 30 * time.Minute}, number(3): {Data: json.RawMessage(`{"sum":"7"}`)},
	}}
	deps := w.deps()
	deps.Dialer = a
	c, err := campaign.Create("c", campaign.Spec{Script: "s", MaxCalls: 1}, deps)
	if err != nil {
		t.Fatal(err)
	}
	w.c = c
	w.add(number(1), number(2), number(3))
	w.start()
	if len(w.dialed) != 1 || w.dialed[0].To != number(3) || string(w.dialed[0].Data) != `{"sum":"7"}` {
		t.Fatalf("%+v", w.dialed)
	}
	if k := w.contact(number(1)); k.Outcome != campaign.NotCalled || k.Reason != "skipped: has paid" || len(k.Attempts) != 0 {
		t.Errorf("%+v", k)
	}
	if k := w.contact(number(2)); k.State != campaign.Waiting || !k.Next.Equal(w.clk.now.Add(30*time.Minute)) || len(k.Attempts) != 0 {
		t.Errorf("%+v", k)
	}
	if k := w.contact(number(3)); string(k.Data) != `{"sum":"7"}` {
		t.Errorf("%s", k.Data)
	}
	// On the list between question and dial: not dialled.
	delete(a.answers, number(2))
	w.end(0, campaign.Result{Outcome: campaign.Delivered})
	w.clk.now = w.clk.now.Add(time.Hour)
	c.Step() // the result
	c.Step() // the question
	w.stop[number(2)] = nil
	w.step()
	if k := w.contact(number(2)); len(w.dialed) != 1 || k.Outcome != campaign.NotCalled || k.Reason != campaign.ReasonStopList || len(a.asked) != 4 {
		t.Errorf("%+v, asked %v", k, a.asked)
	}
}

// TestRun runs a campaign on its own goroutine in virtual time.
func TestRun(t *testing.T) {
	clk := clock.NewVirtual(campaigntest.Start)
	d := &timedDialer{clk: clk}
	c, err := campaign.Create("c", campaign.Spec{
		Script: "s", Attempts: 3, MaxCPS: 1, MaxCalls: 2, Retry: campaign.Retry{"busy": 10 * time.Minute}, Zone: "UTC",
	}, campaign.Deps{Clock: clk, Repo: campaigntest.NewMemory(), Dialer: d})
	if err != nil {
		t.Fatal(err)
	}
	d.c = c
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() { c.Run(ctx); close(gone) }()
	var entries []campaign.Entry
	for i := range 5 {
		entries = append(entries, campaign.Entry{Contact: campaign.Contact{Phones: []string{number(i)}}})
	}
	if _, err := c.Add(entries); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	clk.Advance(time.Hour)
	row := c.Row()
	if row.State != campaign.Completed || row.Counts.Attempts != 15 || row.Counts.Outcomes[campaign.Busy] != 5 || !row.Ended.Equal(d.last.Add(20*time.Second)) {
		t.Errorf("%+v, last dial %s", row, d.last)
	}
	cancel()
	<-gone
}

// slowScript is a dialer whose script takes its time to answer.
type slowScript struct{ timedDialer }

func (d *slowScript) Prepare(a campaign.Attempt) {
	d.clk.AfterFunc(3*time.Second, func() { d.c.Prepared(a.ID, campaign.Decision{}) })
}

// TestRehearsalWaits: the last call of a rehearsal is being prepared while
// others are due; the campaign waits for it and does not spin.
func TestRehearsalWaits(t *testing.T) {
	clk := clock.NewVirtual(campaigntest.Start)
	d := &slowScript{timedDialer{clk: clk}}
	c, err := campaign.Create("c", campaign.Spec{Script: "s", MaxCalls: 9, PauseAfter: 3, Zone: "UTC"},
		campaign.Deps{Clock: clk, Repo: campaigntest.NewMemory(), Dialer: d})
	if err != nil {
		t.Fatal(err)
	}
	d.c = c
	var entries []campaign.Entry
	for i := range 5 {
		entries = append(entries, campaign.Entry{Contact: campaign.Contact{Phones: []string{number(i)}}})
	}
	if _, err := c.Add(entries); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if next := c.Step(); !next.IsZero() {
		t.Fatalf("it wants to step again at %s", next)
	}
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() { c.Run(ctx); close(gone) }()
	clk.Advance(time.Minute)
	if row := c.Row(); row.State != campaign.Paused || row.Counts.Attempts != 3 || row.Counts.Done != 3 {
		t.Errorf("%+v", row)
	}
	cancel()
	<-gone
}

// timedDialer ends every call as busy after 20 s.
type timedDialer struct {
	clk  *clock.Virtual
	c    *campaign.Campaign
	last time.Time
}

func (d *timedDialer) Dial(a campaign.Attempt) {
	d.last = a.At
	d.clk.AfterFunc(20*time.Second, func() { d.c.Result(a.ID, campaign.Result{Outcome: campaign.Busy}) })
}

func (*timedDialer) Cancel(string) {}

// TestTwoCampaigns: one number in two campaigns is called by one at a time,
// under one frequency cap.
func TestTwoCampaigns(t *testing.T) {
	w := newWorld(t)
	w.caps = []campaign.Rate{{Calls: 1, Per: campaign.Span(24 * time.Hour)}}
	w.create(campaign.Spec{})
	w.add(number(1))
	w.start()
	second, err := campaign.Create("d", campaign.Spec{Script: "s"}, w.deps())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Add([]campaign.Entry{{Contact: campaign.Contact{Phones: []string{number(1)}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Start(); err != nil {
		t.Fatal(err)
	}
	second.Step()
	if why, err := second.Explain(number(1)); err != nil || why.Code != campaign.ReasonInCall || len(w.dialed) != 1 {
		t.Fatalf("%+v %v", why, err)
	}
	w.end(0, campaign.Result{Outcome: campaign.Delivered})
	w.step()
	w.clk.now = w.clk.now.Add(time.Minute)
	second.Step()
	if why, err := second.Explain(number(1)); err != nil || why.Code != campaign.ReasonFrequency || len(w.dialed) != 1 || !why.Next.Equal(campaigntest.Start.Add(24*time.Hour)) {
		t.Fatalf("%+v %v", why, err)
	}
	w.clk.now = campaigntest.Start.Add(24 * time.Hour)
	second.Step()
	if len(w.dialed) != 2 || w.dialed[1].Campaign != "d" {
		t.Fatalf("%+v", w.dialed)
	}
}

// brokenList is a stop-list that cannot be read.
type brokenList struct{ err error }

func (b *brokenList) Has(string) (bool, error) { return false, b.err }

func TestStopListFails(t *testing.T) {
	w := newWorld(t)
	list := &brokenList{errors.New("disk")}
	deps := w.deps()
	deps.Stop = list
	c, err := campaign.Create("c", campaign.Spec{Script: "s"}, deps)
	if err != nil {
		t.Fatal(err)
	}
	w.c = c
	w.add(number(1))
	w.start()
	if len(w.dialed) != 0 {
		t.Fatal("dialled without knowing the stop-list")
	}
	list.err = nil
	w.clk.now = w.clk.now.Add(2 * time.Minute)
	w.step()
	if len(w.dialed) != 1 {
		t.Fatal("not dialled")
	}
}

func TestDedupe(t *testing.T) {
	w := newWorld(t)
	w.create(campaign.Spec{})
	one := campaign.Contact{Key: "a", Phones: []string{number(1), number(2)}}
	for _, k := range []campaign.Contact{one, one, {Key: "a", Phones: []string{number(3)}}, {Key: "b", Phones: []string{number(2)}}} {
		w.put(k)
	}
	if row := w.c.Row(); row.Counts.Contacts != 1 {
		t.Errorf("%+v", row.Counts)
	}
	w = newWorld(t)
	w.create(campaign.Spec{Dedupe: campaign.DedupeKey})
	for _, k := range []campaign.Contact{{Key: "a", Phones: []string{number(1)}}, {Key: "b", Phones: []string{number(1)}}, {Key: "a", Phones: []string{number(9)}}} {
		w.put(k)
	}
	if row := w.c.Row(); row.Counts.Contacts != 2 {
		t.Errorf("%+v", row.Counts)
	}
}

func TestChangeContact(t *testing.T) {
	w := newWorld(t)
	w.create(campaign.Spec{})
	w.add(number(1), number(2))
	zone, soon := "Asia/Omsk", w.clk.now.Add(time.Hour)
	k, err := w.c.Change(number(1), campaign.ContactPatch{Phones: []string{number(7)}, Zone: &zone, At: &soon, Data: json.RawMessage(`{"a":1}`)})
	if err != nil || k.Zone != zone || k.Phone() != number(7) {
		t.Fatalf("%+v %v", k, err)
	}
	w.start()
	if len(w.dialed) != 1 || w.dialed[0].To != number(2) {
		t.Fatalf("%+v", w.dialed)
	}
	if _, err := w.c.Change(number(2), campaign.ContactPatch{Zone: &zone}); fault.CodeOf(err) != fault.Conflict {
		t.Error(err)
	}
	if _, err := w.c.Change("nobody", campaign.ContactPatch{}); fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
	w.end(0, campaign.Result{Outcome: campaign.Delivered})
	w.clk.now = soon
	w.step()
	if len(w.dialed) != 2 || w.dialed[1].To != number(7) || string(w.dialed[1].Data) != `{"a":1}` {
		t.Errorf("%+v", w.dialed)
	}
}

func TestReport(t *testing.T) {
	w := newWorld(t)
	w.create(campaign.Spec{Attempts: 2})
	w.put(campaign.Contact{Key: "=1+1", Phones: []string{number(1)}, Data: json.RawMessage(`{"name":"Анна; \"x\""}`)})
	w.add(number(2))
	w.start()
	w.end(0, campaign.Result{Outcome: campaign.Delivered, Answered: true, Keyed: true, TalkMs: 7000, HeardMs: 6500, Percent: 90, Result: json.RawMessage(`"@home"`)})
	w.step()
	var out bytes.Buffer
	if err := w.c.WriteReport(context.Background(), &out, campaign.FormatCSV); err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(table) != 3 {
		t.Fatalf("%q %v", table, err)
	}
	cell := func(row int, name string) string { return table[row][slices.Index(table[0], name)] }
	for name, want := range map[string]string{
		"key": "'=1+1", "phone": number(1), "outcome": "delivered", "attempts": "1", "heard_percent": "90", "talk_ms": "7000", "data": `{"name":"Анна; \"x\""}`,
	} {
		if got := cell(1, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for i, row := range table[1:] {
		for j, c := range row {
			if c != "" && strings.ContainsRune("=-@\t\r", rune(c[0])) || strings.HasPrefix(c, "+") && strings.Trim(c[1:], "0123456789") != "" {
				t.Errorf("row %d: %s may run: %q", i, table[0][j], c)
			}
		}
	}
	for format, want := range map[string]int{campaign.FormatJSON: 1, campaign.FormatNDJSON: 2} {
		out.Reset()
		if err := w.c.WriteReport(context.Background(), &out, format); err != nil {
			t.Fatal(err)
		}
		n := 0
		for dec := json.NewDecoder(&out); dec.More(); n++ {
			var v map[string]any
			if err := dec.Decode(&v); err != nil {
				t.Fatal(err)
			}
		}
		if n != want {
			t.Errorf("%s: %d values", format, n)
		}
	}
	if err := w.c.WriteReport(context.Background(), &out, "xlsx"); fault.CodeOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// TestForecast compares forecasts with the campaign that then runs.
func TestForecast(t *testing.T) {
	w := newWorld(t)
	w.create(campaign.Spec{Attempts: 2, MaxCalls: 4, Window: hours(t, "09:00-21:00"), Retry: campaign.Retry{"default": time.Hour}})
	var entries []campaign.Entry
	for i := range 3000 {
		k := campaign.Contact{Phones: []string{number(i)}, Zone: []string{"Europe/Moscow", "Asia/Vladivostok"}[i%2]}
		entries = append(entries, campaign.Entry{Contact: k})
	}
	if _, err := w.c.Add(entries); err != nil {
		t.Fatal(err)
	}
	a := campaign.Assumptions{AnswerRate: 0.5, Talk: campaign.Span(40 * time.Second), Ring: campaign.Span(20 * time.Second)}
	d, err := w.c.DryRun(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	// 3,000 first attempts and 1,500 second ones, 40 s of a line each.
	f := d.Forecast
	if f.Contacts != 3000 || f.Attempts != 4500 || f.Answered != 2250 || f.Minutes != 1500 || f.Channels != 4 {
		t.Errorf("%+v", f)
	}
	// 12.5 h of four lines: Vladivostok closes at 14:00 and Moscow at 21:00, so
	// that it takes until the next day.
	if hour := f.Finish.Sub(campaigntest.Start).Hours(); hour < 16 || hour > 28 {
		t.Errorf("finish after %.1f h", hour)
	}
	quick, err := w.c.Forecast(a)
	if err != nil || quick.Attempts != f.Attempts {
		t.Errorf("%+v %v", quick, err)
	}
	w.stop[number(1)], w.stop[number(3)] = nil, nil
	if d, err = w.c.DryRun(context.Background(), a); err != nil || d.Callable != 2998 || d.Not[campaign.ReasonStopList] != 2 || d.Zones["Asia/Vladivostok"] != 1498 {
		t.Errorf("%+v %v", d, err)
	}
}

func TestSpecCheck(t *testing.T) {
	for field, raw := range map[string]string{
		"script": `{}`, "attempts": `{"script":"s","attempts":101}`, "max_calls": `{"script":"s","max_calls":-1}`, "max_cps": `{"script":"s","max_cps":-1}`,
		"zone": `{"script":"s","zone":"Moscow"}`, "retry": `{"script":"s","retry":{"bussy":"5m"}}`, "retry.busy": `{"script":"s","retry":{"busy":"soon"}}`,
		"window": `{"script":"s","window":"9 to 21"}`, "holidays": `{"script":"s","holidays":["tomorrow"]}`, "frequency": `{"script":"s","frequency":[{"calls":1,"per":"90d"}]}`,
		"stop_when": `{"script":"s","stop_when":{"key_rate":{"min":5}}}`, "dedupe": `{"script":"s","dedupe":"name"}`, "daily_cap": `{"script":"s","daily_cap":-1}`,
	} {
		var s campaign.Spec
		err := json.Unmarshal([]byte(raw), &s)
		if err == nil {
			err = s.Check()
		}
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	var s campaign.Spec
	full := `{"script":"s","attempts":3,"retry":{"busy":"5m","machine":"never","no_answer":900000},"window":"09:00-21:00","quiet":"13:00-14:00","holidays":["2026-12-31..2027-01-08"],` +
		`"zone":"callee","max_calls":5,"max_cps":0.5,"daily_cap":2,"frequency":[{"calls":3,"per":"7d"}],"timeout":"30s","expires":"2026-12-01T00:00:00Z"}`
	if err := json.Unmarshal([]byte(full), &s); err != nil || s.Check() != nil {
		t.Fatal(err, s.Check())
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again campaign.Spec
	if err := json.Unmarshal(raw, &again); err != nil {
		t.Fatal(err)
	}
	if twice, _ := json.Marshal(again); !bytes.Equal(raw, twice) || s.Retry["machine"] >= 0 || s.Retry["no_answer"] != 15*time.Minute {
		t.Errorf("%s\n%s", raw, twice)
	}
}

// TestQueueLimit: zones and priorities beyond MaxQueues are refused by row.
func TestQueueLimit(t *testing.T) {
	w := newWorld(t)
	w.create(campaign.Spec{})
	zones := []string{
		"UTC", "Europe/Moscow", "Europe/London", "Europe/Paris", "Europe/Berlin", "Europe/Rome", "Europe/Madrid", "Europe/Kyiv", "Asia/Omsk", "Asia/Tokyo",
		"Asia/Dubai", "Asia/Tehran", "Asia/Kolkata", "Asia/Almaty", "Asia/Yerevan", "Asia/Baku", "Asia/Tbilisi", "Asia/Seoul", "Asia/Manila", "Asia/Hovd", "Asia/Gaza",
	}
	var entries []campaign.Entry
	for i, z := range zones {
		for p := range 201 {
			entries = append(entries, campaign.Entry{Line: i*201 + p, Contact: campaign.Contact{Phones: []string{number(i*201 + p)}, Zone: z, Priority: p - campaign.MaxPriority}})
		}
	}
	added, err := w.c.Add(entries)
	if err != nil {
		t.Fatal(err)
	}
	if added.Accepted != campaign.MaxQueues || len(added.Rejected) != len(entries)-campaign.MaxQueues || added.Rejected[0].Code != "LIMIT" {
		t.Errorf("%d accepted, %d rejected", added.Accepted, len(added.Rejected))
	}
}

// TestPauseAsked: Retry-After makes the pause longer, never shorter, and ends nothing.
func TestPauseAsked(t *testing.T) {
	for pause, want := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Minute: 5 * time.Minute, 20 * time.Minute: 20 * time.Minute} {
		w := newWorld(t)
		w.create(campaign.Spec{Script: "s", Attempts: 2, MaxCalls: 1, Retry: campaign.Retry{"busy": 5 * time.Minute}})
		w.add(number(1))
		w.start()
		w.step()
		w.end(0, campaign.Result{Outcome: campaign.Busy, Code: 486, Pause: pause})
		w.step()
		if k := w.contact(number(1)); k.State != campaign.Waiting || k.Next.Sub(k.Last().At) != want {
			t.Errorf("asked for %s: %s at %s", pause, k.State, k.Next.Sub(k.Last().At))
		}
	}
}
