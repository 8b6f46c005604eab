package host

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib/bitrix24/fake"
)

const aCall = `{"id":"c1","direction":"inbound","phone":"+79161112233","line":"+74951234567","startedAt":"2026-01-12T10:00:00Z"}`

func TestACardFromRingingToRecording(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.files["c1"] = []byte("RIFF0000")
	if got := w.must("openCard", `{"call":`+aCall+`,"inner":"101","create":true,"source":"CALL"}`); !strings.Contains(got, `"available":true,"id":"externalCall.`) || !strings.Contains(got, `"lead":1`) {
		t.Fatal(got)
	}
	w.must("openCard", `{"call":`+aCall+`,"inner":"101"}`) // a repeat is the same card
	if got := w.must("showCard", `{"call":"c1","users":[1]}`); got != "true" {
		t.Fatal(got)
	}
	if got := w.must("hideCard", `{"call":"nobody","users":[1]}`); got != "false" {
		t.Fatal(got)
	}
	for range 2 { // afterCall may run twice
		if got := w.must("finishCall", `{"record":`+aRecord+`,"vote":5}`); got != `{"queued":true}` {
			t.Fatal(got)
		}
	}
	w.clk.Advance(time.Minute)
	calls := w.fake.All("call")
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	c := calls[0]
	if got := fmt.Sprintln(c["finished"], c["DURATION"], c["STATUS_CODE"], c["VOTE"], c["record"], c["recordBytes"], c["EXTERNAL_CALL_ID"], c["TYPE"]); got != "true 61 200 5 c1.wav 8 c1 2\n" {
		t.Fatalf("%v", c)
	}
	if got := w.asked(); got != "oauth/token register register show finish attachRecord" {
		t.Fatal(got)
	}
}

func TestALongRecordingIsUploaded(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.files["c1"] = make([]byte, maxInline+1)
	w.must("finishCall", `{"record":`+aRecord+`}`)
	w.clk.Advance(time.Minute)
	if c := w.fake.All("call")[0]; c["record"] != "c1.wav" || c["recordBytes"].(int) <= maxInline {
		t.Fatalf("%v, %s", c, w.asked())
	}
}

// TestARecordingKeepsItsFormat: the portal gets the name that the file has.
func TestARecordingKeepsItsFormat(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.files["c1.mp3"] = []byte("ID300000")
	w.must("finishCall", `{"record":`+aRecord+`}`)
	w.clk.Advance(time.Minute)
	if c := w.fake.All("call")[0]; c["record"] != "c1.mp3" || c["recordBytes"] != 8 {
		t.Fatalf("%v, %s", c, w.asked())
	}
}

func TestStatusOfOutcomes(t *testing.T) {
	for outcome, want := range map[string]string{
		"delivered": "200", "answered_short": "200", "machine": "200", "busy": "486", "no_answer": "304", "rejected": "603", "bad_number": "404",
		"trunk_failed": "503", "unknown": "OTHER", "failed": "OTHER", "talked": "200", "served": "200", "missed": "304", "abandoned": "304",
	} {
		p := finishArgs{Record: record{Outcome: outcome}}.params("x", employee{user: "1"})
		if p["STATUS_CODE"] != want {
			t.Errorf("%s: %v, want %s", outcome, p["STATUS_CODE"], want)
		}
	}
	w := newWorld(t, application(), fake.Options{})
	for _, c := range []string{
		`{"record":{"id":"c2","direction":"outbound","to":"+79161112233","outcome":"not_called"}}`,
		`{"record":{"id":"c3","direction":"inbound","from":"anonymous","outcome":"talked"}}`,
	} {
		if got := w.must("finishCall", c); got != `{"queued":false}` {
			t.Errorf("%s: %s", c, got)
		}
	}
	if _, err := w.do("finishCall", `{"record":{}}`); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

// An hour without the portal, while calls end: each arrives once, finished
// before it gets its recording.
func TestAnHourWithoutThePortal(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.fake.Down(time.Hour)
	const n = 60
	for i := range n {
		id := fmt.Sprintf("c%d", i)
		w.files[id] = []byte("RIFF")
		if got := w.must("openCard", `{"call":`+strings.Replace(aCall, `"c1"`, `"`+id+`"`, 1)+`,"timeoutMs":100}`); !strings.Contains(got, `"available":false`) {
			t.Fatal(got)
		}
		w.must("finishCall", `{"record":`+strings.ReplaceAll(aRecord, `"c1"`, `"`+id+`"`)+`}`)
		w.clk.Advance(time.Minute)
	}
	w.clk.Advance(3 * time.Hour)
	calls := w.fake.All("call")
	if len(calls) != n {
		t.Fatalf("%d calls of %d", len(calls), n)
	}
	for _, c := range calls {
		if c["finished"] != true || c["record"] == nil {
			t.Fatalf("%v", c)
		}
	}
	if s := w.box.Stats(); s.Waiting+s.Dead+int(s.Stopped) != 0 {
		t.Fatalf("%+v", s)
	}
}

// The portal has done it and its answer was lost: of register when there was no
// card, of finish when there was one.
func TestLostAnswersAreNoSecondCall(t *testing.T) {
	for _, early := range []bool{false, true} {
		w := newWorld(t, application(), fake.Options{})
		w.files["c1"] = []byte("RIFF")
		w.must("rest", `{"method":"profile"}`)
		if early {
			w.must("openCard", `{"call":`+aCall+`}`)
		}
		w.fake.Lose(1)
		w.must("finishCall", `{"record":`+aRecord+`}`)
		w.clk.Advance(time.Hour)
		want := "oauth/token profile register register finish attachRecord"
		if early {
			want = "oauth/token profile register finish finish!ERROR_CORE attachRecord"
		}
		if calls := w.fake.All("call"); len(calls) != 1 || calls[0]["finished"] != true || calls[0]["record"] != "c1.wav" || w.asked() != want {
			t.Fatalf("%v: %s", calls, w.asked())
		}
	}
}

func TestAnEmployeeWhoHasLeft(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.must("finishCall", `{"record":`+strings.Replace(aRecord, `"recording":"c1"`, `"recording":""`, 1)+`,"inner":"999"}`)
	w.clk.Advance(time.Minute)
	if c := w.fake.All("call"); len(c) != 1 || c[0]["USER_ID"] != 1 {
		t.Fatalf("%v %s", c, w.asked())
	}
}

// A hundred operations at once: the portal never has to refuse one, all arrive,
// in order per key, and a call in progress does not wait behind them.
func TestABurstKeepsToTheLimit(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.must("rest", `{"method":"profile"}`)
	for i := range 100 {
		w.must("send", fmt.Sprintf(`{"method":"crm.item.add","params":{"entityTypeId":1,"fields":{"title":"%d"}},"key":"k%d"}`, i, i%5))
	}
	before := w.clk.Now()
	w.must("caller", `{"phone":"+79161112233"}`)
	if waited := w.clk.Now().Sub(before); waited != 0 {
		t.Errorf("a caller waited for %s", waited)
	}
	w.clk.Advance(5 * time.Minute)
	w.inOrder(t, 100)
	if strings.Contains(w.asked(), "!") {
		t.Fatalf("the portal refused: %s", w.asked())
	}
}

// inOrder checks that all leads arrived, once, in order per key.
func (w *world) inOrder(t *testing.T, n int) {
	t.Helper()
	last := map[int]int{}
	leads := w.fake.All("lead")
	for _, l := range leads {
		var i int
		if _, err := fmt.Sscan(l["title"].(string), &i); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[i%5]; ok && i <= before {
			t.Fatalf("%d came after %d", i, before)
		}
		last[i%5] = i
	}
	if len(leads) != n {
		t.Fatalf("%d of %d arrived", len(leads), n)
	}
}

// Somebody else behind the same address uses the portal up: it refuses us, and
// nothing is lost.
func TestRefusedRequestsComeAgain(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.must("rest", `{"method":"profile"}`)
	w.fake.Fail(30, 503, "QUERY_LIMIT_EXCEEDED")
	for i := range 40 {
		w.must("send", fmt.Sprintf(`{"method":"crm.item.add","params":{"entityTypeId":1,"fields":{"title":"%d"}},"key":"k%d"}`, i, i%5))
	}
	w.clk.Advance(4 * time.Hour)
	w.inOrder(t, 40)
}

// A method that has used up its working time rests until the portal gives it
// back, and what waits for it is not lost. Others go on.
func TestWorkingTime(t *testing.T) {
	w := newWorld(t, application(), fake.Options{WorkingTime: 10 * time.Second, EachWorks: 4 * time.Second})
	for i := range 5 {
		w.must("send", fmt.Sprintf(`{"method":"crm.item.add","params":{"entityTypeId":1,"fields":{"title":"%d"}},"key":"k0"}`, i*5))
	}
	w.clk.Advance(9 * time.Minute)
	if n := len(w.fake.All("lead")); n != 3 {
		t.Fatalf("%d leads before the limit was given back", n)
	}
	_, err := w.do("rest", `{"method":"crm.item.add","params":{"entityTypeId":1}}`)
	if fault.CodeOf(err) != fault.Limit || fault.HintOf(err) == "" {
		t.Fatalf("%v", err)
	}
	w.must("rest", `{"method":"profile"}`)
	if n := strings.Count(w.asked(), "OPERATION_TIME_LIMIT"); n != 1 {
		t.Fatalf("the portal was asked %d times for what it had refused", n)
	}
	w.clk.Advance(4 * time.Hour)
	w.inOrder(t, 5)
}
