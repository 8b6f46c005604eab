package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib/bitrix24/fake"
)

func TestCredentials(t *testing.T) {
	hook := Config{Portal: fake.Portal, Webhook: fake.Webhook, User: "1"}
	wrong := hook
	wrong.Webhook = fake.Portal + "/rest/1/wrong"
	stranger := application()
	stranger.ClientSecret = "wrong"
	both := application()
	both.RefreshToken, both.Webhook = "", fake.Webhook
	for _, c := range []struct {
		name   string
		cfg    Config
		method string
		want   string // code, or the asked methods
	}{
		{"webhook", hook, "profile", "profile"},
		{"webhook for telephony", hook, "telephony.externalCall.register", "DENIED"},
		{"wrong webhook", wrong, "profile", "DENIED"},
		{"application", application(), "telephony.externalCall.register", "INVALID"}, // its parameters are
		{"application for all", application(), "profile", "oauth/token profile"},
		{"wrong secret", stranger, "profile", "DENIED"},
		{"nothing", Config{Portal: fake.Portal}, "profile", "UNAVAILABLE"},
		{"no tokens yet, but a webhook", both, "profile", "profile"},
		{"no tokens yet", both, "app.info", "UNAVAILABLE"},
		{"no such method", hook, "crm.nothing", "NOT_FOUND"},
		{"no method at all", hook, "../secret", "INVALID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.cfg, fake.Options{})
			_, err := w.do("rest", `{"method":"`+c.method+`"}`)
			got := string(fault.CodeOf(err))
			if err == nil {
				got = w.asked()
			}
			if got != c.want {
				t.Fatalf("%s (%v), want %s", got, err, c.want)
			}
			for _, secret := range []string{"test-webhook-secret", "rest/1/wrong", fake.ClientSecret, fake.Refresh} {
				if err != nil && strings.Contains(err.Error()+fault.HintOf(err), secret) {
					t.Fatalf("the error holds a secret: %v", err)
				}
			}
			if code := fault.CodeOf(err); (code == fault.Denied || code == fault.Unavailable) && fault.HintOf(err) == "" {
				t.Fatalf("%v has no hint", err)
			}
		})
	}
}

// Twenty find the token expired at once: one refresh, and all go on.
func TestOneRefreshForAll(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.must("rest", `{"method":"profile"}`)
	w.fake.Expire()
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		w.clk.Busy(1)
		go func() {
			defer wg.Done()
			defer w.clk.Busy(-1)
			if _, err := w.c.Call(context.Background(), "profile", nil, true); err != nil {
				t.Error(err)
			}
		}()
	}
	w.clk.Advance(time.Minute)
	wg.Wait()
	if n := strings.Count(w.asked(), "oauth/token"); n != 2 {
		t.Fatalf("%d refreshes, want the first and one more: %s", n, w.asked())
	}
}

// The tokens outlive the process; the refresh token is the newest.
func TestTokensSurviveARestart(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	for range 3 {
		w.must("rest", `{"method":"profile"}`)
		w.fake.Expire()
		w.restart(application())
	}
	w.must("rest", `{"method":"profile"}`)
	if strings.Contains(w.asked(), "invalid") {
		t.Fatal(w.asked())
	}
}

// A pair that is not on disk is not used, and is not lost while we run.
func TestAPairIsOnDiskBeforeItIsUsed(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	w.must("rest", `{"method":"profile"}`)
	w.fake.Expire()
	w.vault.fails = true
	if _, err := w.do("rest", `{"method":"profile"}`); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("%v", err)
	}
	if got := w.asked(); !strings.HasSuffix(got, "profile!expired_token oauth/token") {
		t.Fatalf("a token was used before it was on disk: %s", got)
	}
	w.vault.fails = false
	w.must("rest", `{"method":"profile"}`)
	if n := strings.Count(w.asked(), "oauth/token"); n != 2 {
		t.Fatalf("the server was asked again for what it had given: %s", w.asked())
	}
}

// killed loses the process between the answer of the authorisation server and
// the disk, with a finished call in the outbox.
func killed(t *testing.T, keepOld bool) *world {
	w := newWorld(t, application(), fake.Options{KeepOldRefresh: keepOld})
	w.must("rest", `{"method":"profile"}`)
	w.files["c1"] = []byte("RIFF")
	w.fake.Expire()
	w.vault.fails = true
	_, err := w.do("rest", `{"method":"profile"}`)
	if err == nil {
		t.Fatal("the disk has taken it")
	}
	w.vault.fails = false
	w.restart(application()) // the memory is gone, the disk has the old pair
	w.must("finishCall", `{"record":`+aRecord+`}`)
	w.clk.Advance(time.Minute)
	return w
}

func TestKilledBetweenRefreshAndDisk(t *testing.T) {
	t.Run("the server keeps the old token", func(t *testing.T) {
		w := killed(t, true)
		if got := w.asked(); !strings.HasSuffix(got, "register finish attachRecord") {
			t.Fatal(got)
		}
	})
	t.Run("the server does not", func(t *testing.T) {
		w := killed(t, false)
		_, err := w.do("rest", `{"method":"profile"}`)
		if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(fault.HintOf(err), "/oauth/authorize/?client_id=") {
			t.Fatalf("%v, hint %q", err, fault.HintOf(err))
		}
		if n := len(w.fake.All("call")); n != 0 {
			t.Fatalf("%d calls", n)
		}
		w.install(t, w.fake.Installation())
		w.clk.Advance(2 * time.Hour)
		if got := w.asked(); !strings.HasSuffix(got, "register finish attachRecord") {
			t.Fatalf("what waited was not delivered: %s", got)
		}
	})
}

// install passes an installation to the connector.
func (w *world) install(t *testing.T, fields url.Values) {
	t.Helper()
	w.clk.Busy(1)
	err := w.c.Install(context.Background(), fields)
	w.clk.Busy(-1)
	if err != nil {
		t.Fatal(err)
	}
}

func TestInstall(t *testing.T) {
	cfg := application()
	cfg.RefreshToken = ""
	w := newWorld(t, cfg, fake.Options{})
	if _, err := w.do("rest", `{"method":"profile"}`); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("before: %v", err)
	}
	for name, c := range map[string]struct {
		fields string
		want   fault.Code
	}{
		"nothing":        {"", fault.Invalid},
		"another portal": {"auth[domain]=evil.bitrix24.ru&auth[refresh_token]=refresh-0", fault.Denied},
		"made up":        {"auth[domain]=portal.bitrix24.test&auth[refresh_token]=made-up&auth[application_token]=x", fault.Unavailable},
		"wrong code":     {"code=made-up", fault.Unavailable},
	} {
		fields, _ := url.ParseQuery(c.fields)
		w.clk.Busy(1)
		err := w.c.Install(context.Background(), fields)
		w.clk.Busy(-1)
		if fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	w.install(t, url.Values{"code": {"test-code"}, "domain": {"portal.bitrix24.test"}})
	w.must("rest", `{"method":"profile"}`)
	w.install(t, w.fake.Installation())
	w.restart(cfg)
	w.must("rest", `{"method":"profile"}`)
	body := url.Values{"event": {"ONEXTERNALCALLSTART"}, "data[PHONE_NUMBER]": {"+79161112233"}, "data[FIELDS][ID]": {"7"}, "auth[application_token]": {fake.EventToken}, "auth[access_token]": {"s"}}
	args, _ := json.Marshal(map[string]string{"body": body.Encode()})
	want := `{"data":{"FIELDS":{"ID":"7"},"PHONE_NUMBER":"+79161112233"},"domain":"","event":"ONEXTERNALCALLSTART","ts":""}`
	if got := w.must("event", string(args)); got != want {
		t.Fatalf("event: %s", got)
	}
	body.Set("auth[application_token]", "wrong")
	args, _ = json.Marshal(map[string]string{"body": body.Encode()})
	if _, err := w.do("event", string(args)); fault.CodeOf(err) != fault.Denied {
		t.Fatalf("a forged event: %v", err)
	}
}

func TestCaller(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	boris := w.fake.Add("user", map[string]any{"NAME": "Борис", "PERSONAL_MOBILE": "89160000002", "SHIFT": "CLOSED"})
	w.fake.Add("lead", map[string]any{"title": "Лид", "phone": "+79161112233", "assignedById": 1})
	w.fake.Add("contact", map[string]any{"name": "Иван Иванов", "phone": "8 (916) 111-22-33", "assignedById": boris})
	w.fake.Add("company", map[string]any{"title": "Ромашка", "phone": "+74950001122", "assignedById": 1})
	for _, c := range []struct{ name, args, want string }{
		{"a contact before a lead", `{"phone":"+79161112233"}`,
			`{"known":true,"available":true,"type":"contact","id":1,"name":"Иван Иванов","manager":{"id":2,"mobile":"+79160000002","onShift":false,"shift":"closed","target":"+79160000002"}}`},
		{"by a national number", `{"phone":"84950001122"}`,
			`{"known":true,"available":true,"type":"company","id":1,"name":"Ромашка","manager":{"id":1,"inner":"101","mobile":"+79160000001","onShift":true,"shift":"opened","target":"101"}}`},
		{"unknown", `{"phone":"+79995556677"}`, `{"known":false,"available":true}`},
		{"anonymous", `{"phone":"anonymous"}`, `{"known":false,"available":true}`},
	} {
		if got := w.must("caller", c.args); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
	w.fake.Slow(10 * time.Second)
	before := w.clk.Now()
	got := w.must("caller", `{"phone":"+79161112233","timeoutMs":1500}`)
	if took := w.clk.Now().Sub(before); took != 1500*time.Millisecond {
		t.Errorf("a slow portal kept the caller for %s", took)
	}
	if !strings.Contains(got, `"known":true,"available":false`) || !strings.Contains(got, "Иван Иванов") {
		t.Errorf("what was known before was not told: %s", got)
	}
	w.fake.Slow(0)
	w.fake.Down(time.Hour)
	if got := w.must("caller", `{"phone":"+79990000000"}`); !strings.HasPrefix(got, `{"known":false,"available":false,"error":"bitrix24: fetch:`) {
		t.Errorf("an absent portal: %s", got)
	}
}

// Fifty first calls of one number at once make one lead, also when the portal
// does not find it yet.
func TestFiftyFirstCallsMakeOneLead(t *testing.T) {
	w := newWorld(t, application(), fake.Options{SearchLag: 5 * time.Second})
	ids := make(chan Entity, 50)
	for range 50 {
		w.clk.Busy(1)
		go func() {
			defer w.clk.Busy(-1)
			e, err := w.c.lead(context.Background(), json.RawMessage(`{"phone":"8 916 111 22 33","name":"Иван","source":"CALL"}`))
			if err != nil {
				t.Error(err)
				return
			}
			ids <- e.(Entity)
		}()
	}
	w.clk.Advance(time.Minute)
	created := 0
	for range 50 {
		e := <-ids
		if e.Created {
			created++
		}
		if e.ID != 1 || e.Type != "lead" {
			t.Fatalf("%+v", e)
		}
	}
	if leads := w.fake.All("lead"); len(leads) != 1 || created != 1 || leads[0]["name"] != "Иван" || leads[0]["sourceId"] != "CALL" {
		t.Fatalf("%d created, %v", created, leads)
	}
	// An answer that was lost after the lead was made is found again.
	w.fake.Lose(0)
	w.clk.Advance(time.Hour)
	if got := w.must("lead", `{"phone":"+79161112233"}`); got != `{"type":"lead","id":1,"created":false}` {
		t.Fatal(got)
	}
	if _, err := w.do("lead", `{"phone":"anonymous"}`); fault.CodeOf(err) != fault.Invalid {
		t.Fatalf("%v", err)
	}
	if got := w.must("lead", `{"phone":"+79992223344","type":"contact","name":"Пётр"}`); got != `{"type":"contact","id":1,"created":true}` {
		t.Fatal(got)
	}
}

func TestManyDuplicatesDoNotHideTheContact(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	for i := range 25 {
		w.fake.Add("lead", map[string]any{"title": fmt.Sprint(i), "phone": "+79161112233"})
	}
	w.fake.Add("contact", map[string]any{"name": "Иван", "phone": "+79161112233"})
	if got := w.must("lead", `{"phone":"+79161112233"}`); got != `{"type":"contact","id":1,"created":false}` {
		t.Fatal(got)
	}
}

func TestBatchAndList(t *testing.T) {
	w := newWorld(t, application(), fake.Options{})
	got := w.must("batch", `{"commands":[{"name":"a","method":"user.get","params":{"ID":1}},{"name":"b","method":"crm.item.add","params":{"entityTypeId":1,"fields":{"title":"Ж & 1","fm":[{"typeId":"PHONE","value":"+7"}]}}},{"name":"c","method":"crm.no"}]}`)
	if !strings.Contains(got, `"c":{"code":"NOT_FOUND"`) || !strings.Contains(got, `"ID":"1"`) || w.fake.All("lead")[0]["title"] != "Ж & 1" {
		t.Fatalf("%s %v", got, w.fake.All("lead"))
	}
	if _, err := w.do("batch", `{"commands":[{"name":"a","method":"batch"}]}`); fault.CodeOf(err) != fault.Invalid {
		t.Fatalf("nested: %v", err)
	}
	for range 119 {
		w.fake.Add("lead", nil)
	}
	var rows []json.RawMessage
	if err := json.Unmarshal([]byte(w.must("list", `{"method":"crm.item.list","params":{"entityTypeId":1}}`)), &rows); err != nil || len(rows) != 120 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if err := json.Unmarshal([]byte(w.must("list", `{"method":"crm.item.list","params":{"entityTypeId":1},"limit":70}`)), &rows); err != nil || len(rows) != 70 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
}
