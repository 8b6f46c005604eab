package campaigntest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
)

// Start is the time that the tests begin at.
var Start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

// RunRepo checks what campaigns rely on in a Repo. open makes an empty one.
func RunRepo(t *testing.T, open func(*testing.T) campaign.Repo) {
	t.Run("rows", func(t *testing.T) { testRows(t, open(t)) })
	t.Run("contacts", func(t *testing.T) { testContacts(t, open(t)) })
	t.Run("queues", func(t *testing.T) { testQueues(t, open(t)) })
	t.Run("shared number", func(t *testing.T) { testShared(t, open(t)) })
	t.Run("dials", func(t *testing.T) { testDials(t, open(t)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got  %+v\n want %+v", what, got, want)
	}
}

func newRow(t *testing.T, id string) campaign.Row {
	t.Helper()
	h, err := campaign.ParseHours("09:00-21:00")
	must(t, err)
	return campaign.Row{
		ID: id, State: campaign.Draft, Created: Start,
		Spec: campaign.Spec{Script: "s", Attempts: 3, Window: h, Retry: campaign.Retry{"busy": 5 * time.Minute}},
	}
}

func testRows(t *testing.T, r campaign.Repo) {
	for _, id := range []string{"b", "a", "c"} {
		must(t, r.PutRow(newRow(t, id)))
	}
	row, ok, err := r.Row("b")
	must(t, err)
	if want := newRow(t, "b"); !ok || row.Spec.Window.String() != "09:00-21:00" || !reflect.DeepEqual(row.Spec.Retry, want.Spec.Retry) {
		t.Fatalf("%v %+v", ok, row)
	}
	if _, ok, err := r.Row("bb"); ok || err != nil {
		t.Fatal(ok, err)
	}
	page, err := r.Rows("a", 1)
	must(t, err)
	if len(page) != 1 || page[0].ID != "b" {
		t.Fatalf("page %+v", page)
	}
	must(t, r.Drop("b"))
	page, err = r.Rows("", 10)
	must(t, err)
	if len(page) != 2 || page[0].ID != "a" || page[1].ID != "c" {
		t.Fatalf("after drop %+v", page)
	}
}

func person(seq uint64, next time.Time) *campaign.Contact {
	return &campaign.Contact{
		Seq: seq, Key: fmt.Sprintf("k%d", seq), Phones: []string{fmt.Sprintf("+7916000%04d", seq)}, Zone: "Europe/Moscow",
		State: campaign.Waiting, Next: next, Data: json.RawMessage(`{"name":"Anna"}`),
	}
}

func testContacts(t *testing.T, r campaign.Repo) {
	row := newRow(t, "a")
	must(t, r.PutRow(row))
	k := person(1, Start)
	k.Phones = append(k.Phones, "+79160009999")
	row, n, err := r.Commit(row, []campaign.Change{{New: k}, {New: person(2, Start)}})
	must(t, err)
	if n != 2 || row.Counts.Waiting != 2 || row.Seq != 2 {
		t.Fatalf("%d %+v", n, row)
	}
	for _, phone := range k.Phones {
		if seq, ok, err := r.SeqOfPhone("a", phone); seq != 1 || !ok || err != nil {
			t.Fatal(phone, seq, ok, err)
		}
	}
	if _, ok, _ := r.SeqOfPhone("b", k.Phones[0]); ok {
		t.Fatal("found in another campaign")
	}
	got, ok, err := r.Contact("a", 1)
	must(t, err)
	equal(t, "contact", *got, *k)
	if !ok {
		t.Fatal("not found")
	}

	// An intent: count, state and the dial of the number come together.
	intent := *k
	intent.State, intent.Next = campaign.Dialing, time.Time{}
	intent.Attempts = []campaign.Made{{ID: "a-1.1", At: Start, Phone: k.Phones[0]}}
	row, _, err = r.Commit(row, []campaign.Change{{Old: k, New: &intent, Phone: k.Phones[0], Dial: &campaign.Dial{At: Start, By: "a-1.1"}}})
	must(t, err)
	stored, _, err := r.Row("a")
	must(t, err)
	equal(t, "counts", copied(stored.Counts), copied(row.Counts))
	if c := row.Counts; c.Dialing != 1 || c.Waiting != 1 || c.Attempts != 1 || c.Dialled != 1 {
		t.Fatalf("%+v", c)
	}
	seqs, err := r.Intents("a", 0, 10)
	must(t, err)
	equal(t, "intents", seqs, []uint64{1})
	dials, err := r.Dials(k.Phones[0])
	must(t, err)
	equal(t, "dials", dials, []campaign.Dial{{At: Start, By: "a-1.1"}})
	testContactEnd(t, r, row, &intent)
}

// testContactEnd ends the attempt, changes the number and removes the rest.
func testContactEnd(t *testing.T, r campaign.Repo, row campaign.Row, intent *campaign.Contact) {
	over := *intent
	over.State, over.Outcome, over.Attempts = campaign.Done, campaign.Delivered, slices.Clone(intent.Attempts)
	over.Attempts[0].Outcome, over.Attempts[0].Answered = campaign.Delivered, true
	over.Phones = over.Phones[:1]
	row, _, err := r.Commit(row, []campaign.Change{{Old: intent, New: &over}})
	must(t, err)
	if c := row.Counts; c.Done != 1 || c.Answered != 1 || c.Outcomes[campaign.Delivered] != 1 {
		t.Fatalf("%+v", c)
	}
	if seqs, err := r.Intents("a", 0, 10); len(seqs) != 0 || err != nil {
		t.Fatal(seqs, err)
	}
	if _, ok, err := r.SeqOfPhone("a", "+79160009999"); ok || err != nil {
		t.Fatal("a number that was taken away is found", err)
	}
	page, err := r.Contacts("a", 1, 10)
	must(t, err)
	if len(page) != 1 || page[0].Seq != 2 {
		t.Fatalf("page %+v", page)
	}
	if seq, ok, err := r.SeqOfKey("a", "k2"); seq != 2 || !ok || err != nil {
		t.Fatal(seq, ok, err)
	}
	row, _, err = r.Commit(row, []campaign.Change{{Old: page[0]}})
	must(t, err)
	if _, ok, _ := r.SeqOfKey("a", "k2"); ok || row.Counts.Contacts != 1 {
		t.Fatalf("not removed: %+v", row.Counts)
	}
	ids, err := r.CampaignsOf(over.Phones[0])
	must(t, err)
	equal(t, "campaigns", ids, []string{"a"})
	must(t, r.Drop("a"))
	if ids, err := r.CampaignsOf(over.Phones[0]); len(ids) != 0 || err != nil {
		t.Fatal(ids, err)
	}
}

// testShared has one number in three contacts, which go one after the other.
func testShared(t *testing.T, r campaign.Repo) {
	row := newRow(t, "a")
	must(t, r.PutRow(row))
	people := []*campaign.Contact{person(1, Start), person(2, Start), person(3, Start)}
	var changes []campaign.Change
	for _, k := range people {
		k.Phones = []string{"+79160000007"}
		changes = append(changes, campaign.Change{New: k})
	}
	row, _, err := r.Commit(row, changes)
	must(t, err)
	for _, i := range []int{2, 0, 1} {
		want := uint64(3)
		if i != 2 {
			want = 2
		}
		if seq, ok, err := r.SeqOfPhone("a", "+79160000007"); seq != want || !ok || err != nil {
			t.Fatal(seq, ok, err)
		}
		row, _, err = r.Commit(row, []campaign.Change{{Old: people[i]}})
		must(t, err)
	}
	if seq, ok, err := r.SeqOfPhone("a", "+79160000007"); ok || err != nil {
		t.Fatal(seq, ok, err)
	}
	if ids, err := r.CampaignsOf("+79160000007"); len(ids) != 0 || err != nil {
		t.Fatal(ids, err)
	}
}

func testQueues(t *testing.T, r campaign.Repo) {
	row := newRow(t, "a")
	must(t, r.PutRow(row))
	var changes []campaign.Change
	for seq := uint64(1); seq <= 30; seq++ {
		k := person(seq, Start.Add(time.Duration(seq*7%30)*time.Second))
		k.Priority = int(seq%3)*100 - 100
		if seq%2 == 0 {
			k.Zone = "Asia/Omsk"
		}
		if seq%5 == 0 {
			k.At = Start
		}
		changes = append(changes, campaign.Change{New: k})
	}
	early := person(31, time.Date(1960, 1, 1, 0, 0, 0, 1, time.UTC))
	early.Zone = "Asia/Tokyo"
	row, _, err := r.Commit(row, append(changes, campaign.Change{New: early}))
	must(t, err)
	queues, err := r.Queues("a")
	must(t, err)
	if len(queues) != 13 {
		t.Fatalf("queues %v", queues)
	}
	total := 0
	for _, q := range queues {
		total += testQueue(t, r, q)
	}
	if total != 31 {
		t.Fatalf("%d entries", total)
	}
	q := campaign.Queue{Zone: early.Zone}
	due, err := r.Due("a", q, campaign.Due{}, 1)
	must(t, err)
	if len(due) != 1 || !due[0].Next.Equal(early.Next) {
		t.Fatalf("before 1970: %v", due)
	}
	moved := *early
	moved.Next = Start.Add(time.Hour)
	_, _, err = r.Commit(row, []campaign.Change{{Old: early, New: &moved}})
	must(t, err)
	due, err = r.Due("a", q, campaign.Due{}, 100)
	must(t, err)
	if len(due) != 1 || !due[0].Next.Equal(moved.Next) {
		t.Fatalf("moved: %v", due)
	}
}

// testQueue reads a queue in pages of two.
func testQueue(t *testing.T, r campaign.Repo, q campaign.Queue) (n int) {
	for last := (campaign.Due{}); ; {
		page, err := r.Due("a", q, last, 2)
		must(t, err)
		if len(page) == 0 {
			return n
		}
		for _, d := range page {
			if n > 0 && !last.Before(d) {
				t.Fatalf("%v after %v", d, last)
			}
			k, ok, err := r.Contact("a", d.Seq)
			must(t, err)
			if !ok || !k.Next.Equal(d.Next) || campaign.QueueOf(k) != q {
				t.Fatalf("%+v in %+v", k, q)
			}
			last = d
			n++
		}
	}
}

func testDials(t *testing.T, r campaign.Repo) {
	const phone = "+79160000001"
	for i := range campaign.MaxDials + 5 {
		must(t, r.NoteDial(phone, campaign.Dial{At: Start.Add(time.Duration(i) * time.Minute), By: fmt.Sprint(i)}))
	}
	dials, err := r.Dials(phone)
	must(t, err)
	if len(dials) != campaign.MaxDials || dials[0].By != "5" {
		t.Fatalf("%d, the first is %+v", len(dials), dials[0])
	}
	must(t, r.NoteDial(phone, campaign.Dial{At: Start.Add(campaign.DialMemory + 2*time.Hour), By: "late"}))
	dials, err = r.Dials(phone)
	must(t, err)
	if len(dials) != 1 || dials[0].By != "late" {
		t.Fatalf("%+v", dials)
	}
	must(t, r.ForgetDials(phone))
	if dials, err := r.Dials(phone); len(dials) != 0 || err != nil {
		t.Fatal(dials, err)
	}
}
