package engine

import (
	"log/slog"
	"testing"

	"github.com/loopstart/loopstart/sip"
)

// TestAccounts: each account is a registration of its own, chosen by the number
// that is presented and known by its own Contact.
func TestAccounts(t *testing.T) {
	cfg := parse(t, `
trunks:
  mango:
    address: sip.example.ru
    register: true
    destinations: ["+7"]
    accounts:
      - {username: "100", password: secret-one, number: "+74951111111"}
      - {username: "200", password: secret-two, number: "+74952222222"}
  own: {address: b.example.ru, username: main, password: x, register: true, accounts: [{username: other, password: y}]}
`)
	e := &Engine{log: slog.New(slog.DiscardHandler)}
	e.cfg.Store(cfg)
	var names []string
	for _, tr := range e.sipConfig(cfg).Trunks {
		if tr.Register {
			names = append(names, tr.Name+" "+tr.Username+" "+tr.Password)
		}
	}
	same(t, names, []string{"mango/100 100 secret-one", "mango/200 200 secret-two", "own main x", "own/other other y"})
	mango, own := &cfg.Trunks[0], &cfg.Trunks[1]
	same(t, mango.From, []string{"+74951111111", "+74952222222"})
	for number, want := range map[string]string{"+74952222222": "mango/200", "+74953333333": "mango/100", "": "mango/100"} {
		if got, _ := accountFor(cfg, mango, number); got != want {
			t.Errorf("%s leaves by %s, want %s", number, got, want)
		}
	}
	if got, user := accountFor(cfg, own, "+74951111111"); got != "own" || user != "main" {
		t.Errorf("%s %s", got, user)
	}
	tr, a := trunkOf(cfg, "mango/200")
	if tr != mango || a == nil || a.Username != "200" {
		t.Fatalf("%v %v", tr, a)
	}
	if to := dialledAccount(a, sip.Address{User: "200"}); to.User != "+74952222222" {
		t.Errorf("a call to the account's Contact is to %s", to.User)
	}
	if tr, a := trunkOf(cfg, "own"); tr != own || a != nil {
		t.Fatalf("%v %v", tr, a)
	}
	if tr, _ := trunkOf(cfg, "gone"); tr != nil {
		t.Fatal(tr)
	}
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}
