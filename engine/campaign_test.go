package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
	campaignstore "github.com/loopstart/loopstart/store/campaigns"
)

const campaignTrunk = "trunks: {t: {address: 127.0.0.9, options: off, destinations: [\"+7\"], max_out: 2}}\n"

var tell = map[string]string{"tell.js": "export default async (call) => {}\nexport const config = {data: {name: 'string?'}};"}

// makeCampaign makes a draft with contacts.
func (p *project) makeCampaign(t *testing.T, phones ...string) string {
	t.Helper()
	a := (*surface)(p.Engine)
	answer, _, err := a.CreateCampaign(json.RawMessage(`{"script":"tell","trunk":"t","attempts":3}`), "")
	if err != nil {
		t.Fatal(err)
	}
	id := answer.(campaignAnswer).ID
	rows := "phone\n" + strings.Join(phones, "\n")
	if _, err := a.ImportContacts(context.Background(), id, api.Import{Body: strings.NewReader(rows), Format: "csv"}); err != nil {
		t.Fatal(err)
	}
	return id
}

// again starts another engine on the folder of one that has been closed.
func (p *project) again(t *testing.T) *project {
	t.Helper()
	cfg, err := config.Load(filepath.Join(p.dir, "loopstart.yaml"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := &project{dir: p.dir}
	n.Engine, err = New(cfg, Options{
		Log: slog.New(slog.DiscardHandler), Worker: func(string) *exec.Cmd { return child("worker") }, Builder: func() *exec.Cmd { return child("build") },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// TestKilledBetweenIntentAndInvite puts the store into the state of a process
// that was killed after the intents of two attempts were on disk: one whose
// record had been kept, and one that nothing is known of.
func TestKilledBetweenIntentAndInvite(t *testing.T) {
	p := serve(t, campaignTrunk, tell)
	id := p.makeCampaign(t, "+79160000001", "+79160000002", "+79160000003")
	p.Close()
	intents(t, filepath.Join(p.dir, "data"), id)

	p = p.again(t)
	a := (*surface)(p.Engine)
	for key, want := range map[string]string{"+79160000001": "done unknown", "+79160000002": "done delivered", "+79160000003": "waiting "} {
		k, err := a.campaigns.keyOf(id, key)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(k.State) + " " + string(k.Outcome); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	rows, _, err := a.List(api.Query{Campaign: id, Limit: 10})
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d records, %v", len(rows), err)
	}
	shown, err := a.Show(campaign.OrderID(id, 1))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(shown)
	var o struct {
		State, Outcome, Campaign string
		Attempts                 []OrderAttempt
	}
	if json.Unmarshal(raw, &o); o.State != "done" || o.Outcome != "unknown" || o.Campaign != id || len(o.Attempts) != 1 {
		t.Errorf("%s", raw)
	}
	w, err := a.Why("8 916 000-00-01")
	if err != nil {
		t.Fatal(err)
	}
	if answers := w.(*Why).Answers; len(answers) != 1 || answers[0].Code != "done" || answers[0].Outcome != "unknown" || len(answers[0].Checks) != 4 {
		t.Errorf("%+v", answers)
	}
}

// intents writes what a killed process leaves.
func intents(t *testing.T, dir, id string) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	repo := campaignstore.New(s.Space(campaignstore.SpaceName))
	row, ok, err := repo.Row(id)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	var changes []campaign.Change
	for seq := uint64(1); seq <= 2; seq++ {
		old, _, err := repo.Contact(id, seq)
		if err != nil {
			t.Fatal(err)
		}
		k := *old
		at := time.Now().UTC()
		k.State, k.Next = campaign.Dialing, time.Time{}
		k.Attempts = []campaign.Made{{ID: campaign.AttemptID(id, seq, 1), At: at, Phone: k.Phone()}}
		changes = append(changes, campaign.Change{Old: old, New: &k})
	}
	if _, _, err := repo.Commit(row, changes); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	r := call.Record{ID: campaign.AttemptID(id, 2, 1), Order: campaign.OrderID(id, 2), Campaign: id, Script: "tell", To: "+79160000002", StartedAt: at, AnsweredAt: &at, Outcome: call.Delivered}
	body, _ := json.Marshal(r)
	if err := s.PutRecord(store.Record{ID: r.ID, Order: r.Order, Started: at, JSON: body, Fields: store.Fields{Outcome: "delivered", Campaign: id, To: r.To}}); err != nil {
		t.Fatal(err)
	}
}

func TestCampaignsThatCannotBe(t *testing.T) {
	p := serve(t, campaignTrunk, tell)
	a := (*surface)(p.Engine)
	for body, want := range map[string]fault.Code{
		`{}`:                                      fault.Invalid,
		`{"script":"tel"}`:                        fault.NotFound,
		`{"script":"tell","trunk":"x"}`:           fault.NotFound,
		`{"script":"tell","attempts":0.5}`:        fault.Invalid,
		`{"script":"tell","attempts":0}`:          fault.Invalid,
		`{"script":"tell","attempts":101}`:        fault.Invalid,
		`{"script":"tell","windov":"9"}`:          fault.Invalid,
		`{"script":"tell","window":"9"}`:          fault.Invalid,
		`{"script":"tell","delivered_after":"x"}`: fault.Invalid,
		`{"script":"tell","callback":"x"}`:        fault.Invalid,
		`{"script":"tell","zone":"Mars"}`:         fault.Invalid,
	} {
		if _, _, err := a.CreateCampaign(json.RawMessage(body), ""); fault.CodeOf(err) != want || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v", body, err)
		}
	}
	one, created, err := a.CreateCampaign(json.RawMessage(`{"script":"tell","callback":{"url":"http://127.0.0.1:1","secret":"s3"}}`), "k")
	if err != nil || !created {
		t.Fatal(created, err)
	}
	two, created, err := a.CreateCampaign(json.RawMessage(`{"script":"tell","callback":{"url":"http://127.0.0.1:1","secret":"s3"}}`), "k")
	if err != nil || created || one.(campaignAnswer).ID != two.(campaignAnswer).ID {
		t.Errorf("the same request twice: %v %v %v", two, created, err)
	}
	if _, _, err := a.CreateCampaign(json.RawMessage(`{"script":"tell"}`), "k"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("another body: %v", err)
	}
	shown, err := a.ShowCampaign(one.(campaignAnswer).ID)
	if raw, _ := json.Marshal(shown); err != nil || bytes.Contains(raw, []byte("s3")) || !bytes.Contains(raw, []byte(`"state":"draft"`)) {
		t.Errorf("%s %v", raw, err)
	}
	for _, id := range []string{"none", "none-1"} {
		if _, err := a.ShowCampaign(id); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s: %v", id, err)
		}
		if _, err := a.Show(id); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("call %s: %v", id, err)
		}
	}
}

// TestMaxCampaigns: there is a most, and a campaign that is over makes room.
func TestMaxCampaigns(t *testing.T) {
	p := serve(t, campaignTrunk, tell)
	a := (*surface)(p.Engine)
	first := p.makeCampaign(t, "+79160000001")
	a.campaigns.mu.Lock()
	for i := len(a.campaigns.open); i < MaxCampaigns; i++ {
		a.campaigns.open["x"+strconv.Itoa(i)] = a.campaigns.open[first]
	}
	a.campaigns.mu.Unlock()
	if _, _, err := a.CreateCampaign(json.RawMessage(`{"script":"tell"}`), ""); fault.CodeOf(err) != fault.Limit {
		t.Errorf("beyond MaxCampaigns: %v", err)
	}
	a.campaigns.mu.Lock()
	for i := 1; i < MaxCampaigns; i++ {
		delete(a.campaigns.open, "x"+strconv.Itoa(i))
	}
	a.campaigns.mu.Unlock()
	if _, err := a.CommandCampaign(first, api.CampaignCancel, json.RawMessage(`{}`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cancelled campaign is let go", func() bool {
		if err := a.campaigns.sweep(time.Now(), time.Hour); err != nil {
			t.Fatal(err)
		}
		a.campaigns.mu.Lock()
		defer a.campaigns.mu.Unlock()
		return len(a.campaigns.open) == 0
	})
	if shown, err := a.ShowCampaign(first); err != nil || shown.(Campaign).State != campaign.Cancelled {
		t.Errorf("%+v %v", shown, err)
	}
	if err := a.campaigns.sweep(time.Now().Add(2*time.Hour), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ShowCampaign(first); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("beyond keep.contacts: %v", err)
	}
}

func TestStopList(t *testing.T) {
	p := serve(t, "", tell)
	s := stopList{p.Engine}
	if _, err := s.Add("not a number", "", time.Time{}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	if _, err := s.Add("+79160000001", strings.Repeat("x", maxStopReason+1), time.Time{}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a long reason: %v", err)
	}
	for _, n := range []string{"8 916 000-00-01", "+79160000002"} {
		if _, err := s.Add(n, "asked", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Add("+79160000003", "", p.clk.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[string]bool{"+79160000001": true, "89160000002": true, "+79160000003": false, "+79160000004": false, "101": false, "sales": false} {
		if got, err := s.Has(n); got != want || err != nil {
			t.Errorf("%s: %v %v", n, got, err)
		}
	}
	list, next, err := s.List(2, "")
	if err != nil || len(list) != 2 || next != "+79160000002" {
		t.Errorf("%+v %q %v", list, next, err)
	}
	if list, next, err = s.List(2, next); err != nil || len(list) != 1 || next != "" {
		t.Errorf("%+v %q %v", list, next, err)
	}
	for _, want := range []bool{true, false} {
		if was, err := s.Delete("+79160000001"); was != want || err != nil {
			t.Errorf("%v %v", was, err)
		}
	}
}

func TestTrunkLines(t *testing.T) {
	cfg := parse(t, `trunks: {t: {address: h, max_calls: 3, max_out: 2, max_cps: 2}}`)
	trunk := &cfg.Trunks[0]
	var l lines
	seize := func(at time.Time, ordered bool) (func(), fault.Code) {
		free, _, err := l.seize(trunk, at, ordered)
		return free, fault.CodeOf(err)
	}
	a, code := seize(noon, true)
	b, code2 := seize(noon, true)
	if code != "" || code2 != "" {
		t.Fatal(code, code2)
	}
	if _, code := seize(noon.Add(time.Minute), true); code != fault.Limit {
		t.Errorf("max_out: %s", code)
	}
	a()
	a() // once is enough
	if _, code := seize(noon, true); code != fault.Rate {
		t.Errorf("max_cps: %s", code)
	}
	c, code := seize(noon, false) // somebody waits in a call
	if code != "" {
		t.Errorf("a connect beyond max_cps: %s", code)
	}
	in, err := l.arrive(trunk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.arrive(trunk); fault.CodeOf(err) != fault.Limit {
		t.Errorf("max_calls: %v", err)
	}
	in()
	b()
	c()
	if in, out := l.state("t"); in != 0 || out != 0 {
		t.Errorf("%d in, %d out are left", in, out)
	}
}

// TestTurnsOfCallers: beyond max_cps those who wait in a call get the next turns,
// one after another and before ordered calls, and who would wait too long is
// refused by name of the limit.
func TestTurnsOfCallers(t *testing.T) {
	cfg := parse(t, `trunks: {t: {address: h, max_cps: 1}}`)
	trunk := &cfg.Trunks[0]
	var l lines
	for i := range 4 {
		if _, wait, err := l.seize(trunk, noon, false); err != nil || wait != time.Duration(i)*time.Second {
			t.Errorf("caller %d: %v %v", i, wait, err)
		}
	}
	if _, _, err := l.seize(trunk, noon, false); fault.CodeOf(err) != fault.Rate || !strings.Contains(err.Error(), "trunks.t.max_cps") {
		t.Errorf("too many: %v", err)
	}
	at := noon.Add(1500 * time.Millisecond)
	if _, wait, err := l.seize(trunk, at, false); err != nil || wait != 2500*time.Millisecond {
		t.Errorf("later: %v %v", wait, err)
	}
	if _, _, err := l.seize(trunk, at.Add(2*time.Second), true); fault.CodeOf(err) != fault.Rate {
		t.Errorf("an ordered call before callers: %v", err)
	}
	if _, wait, err := l.seize(trunk, at.Add(4*time.Second), true); err != nil || wait != 0 {
		t.Errorf("an ordered call when all have had their turn: %v %v", wait, err)
	}
}

func TestCallersHaveAShare(t *testing.T) {
	cfg := parse(t, "limits: {calls: 20, cps: 1000}")
	var a admission
	n := 0
	for ; a.admit(cfg, noon, ticket{ordered: true}, 0) == nil; n++ {
	}
	if n != 18 {
		t.Errorf("%d ordered calls of 20", n)
	}
	if err := a.admit(cfg, noon, ticket{}, 0); err != nil {
		t.Errorf("a caller: %v", err)
	}
	if err := a.peek(cfg, noon, ticket{ordered: true}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("%v", err)
	}
}

// TestCampaignEvents: the live counters and states go to the feed, and every
// contact that no call tells of sends its order.done.
func TestCampaignEvents(t *testing.T) {
	p := serve(t, campaignTrunk, tell)
	a := (*surface)(p.Engine)
	id := p.makeCampaign(t, "+4930123456", "+4930123457", "+4930123458") // where the trunk may not dial
	_, next, stop, ok := p.feed.Listen(0)
	if !ok {
		t.Fatal("no place in the feed")
	}
	defer stop()
	if _, err := a.CommandCampaign(id, api.CampaignStart, json.RawMessage(`{"pause_after":10}`)); err != nil {
		t.Fatal(err)
	}
	states, done := []string{"draft"}, 0
	deadline := time.After(15 * time.Second)
	for done < 3 || states[len(states)-1] != "completed" {
		select {
		case it := <-next:
			ev := it.Event
			if ev.Campaign != id {
				t.Errorf("an event of %q", ev.Campaign)
			}
			var news campaignNews
			switch json.Unmarshal(ev.Data, &news); ev.Type {
			case "campaign.state":
				states = append(states, string(news.State))
			case "order.done":
				done++
			}
		case <-deadline:
			t.Fatalf("states %v, %d orders done", states, done)
		}
	}
	if strings.Join(states, " ") != "draft running completed" || done != 3 {
		t.Errorf("states %v, %d orders done", states, done)
	}
	list, _, err := a.ListContacts(id, api.ContactQuery{Outcome: "not_called", Limit: 2})
	if err != nil || len(list.([]Contact)) != 2 || !strings.Contains(list.([]Contact)[0].Reason, "no trunk may dial") && !strings.Contains(list.([]Contact)[0].Reason, "may not dial") {
		t.Errorf("%+v %v", list, err)
	}
	var csv bytes.Buffer
	if err := a.CampaignReport(context.Background(), id, "csv", &csv); err != nil || strings.Count(csv.String(), "not_called") != 3 {
		t.Errorf("%s %v", csv.String(), err)
	}
}

// TestContactsAreChanged by their key or one of their numbers, while they wait.
func TestContactsAreChanged(t *testing.T) {
	p := serve(t, campaignTrunk, tell)
	a := (*surface)(p.Engine)
	id := p.makeCampaign(t, "+79160000001", "+79160000002")
	k, err := a.PatchContact(id, "8 916 000-00-01", json.RawMessage(`{"priority":7,"at":"2030-01-01T10:00:00Z","data":{"name":"Anna"}}`))
	if c, ok := k.(Contact); err != nil || !ok || c.Priority != 7 || string(c.Data) != `{"name":"Anna"}` || c.NextAt.Year() != 2030 {
		t.Errorf("%+v %v", k, err)
	}
	for body, want := range map[string]fault.Code{
		`{"phone":"x"}`: fault.Invalid, `{"data":{"name":1}}`: "", `{"zone":"Mars"}`: fault.Invalid, `{"prio":1}`: fault.Invalid, `{"at":"soon"}`: fault.Invalid,
	} {
		if _, err := a.PatchContact(id, "+79160000001", json.RawMessage(body)); fault.CodeOf(err) != want {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := a.DeleteContact(id, "+79160000002"); err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteContact(id, "+79160000003"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	if err := a.Cancel(campaign.OrderID(id, 1)); err != nil {
		t.Errorf("%v", err)
	}
	row, err := a.campaigns.row(id)
	if err != nil || row.Counts.Waiting != 0 || row.Counts.Done != 2 {
		t.Errorf("%+v %v", row.Counts, err)
	}
}
