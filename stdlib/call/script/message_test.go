package script

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// TestConsent: what listeners say to a transfer that a party asks for.
func TestConsent(t *testing.T) {
	const ask = `transfer {"call":"a","request":"b","to":"102","attended":false,"by":{"user":"101"}}`
	for _, tt := range []struct{ name, source, want, fails string }{
		{"nobody listens", ``, `{"allow":false,"call":"b"}`, ""},
		{"yes", `call.on("transfer", t => t.request && t.to === "102" && t.by.user === "101");`, `{"allow":true,"call":"b"}`, ""},
		{"elsewhere", `call.on("transfer", async t => "103");`, `{"allow":true,"call":"b","target":"103"}`, ""},
		{"no", `call.on("transfer", () => false); call.on("transfer", () => true);`, `{"allow":false,"call":"b"}`, ""},
		{"nothing said", `call.on("transfer", () => {});`, `{"allow":false,"call":"b"}`, ""},
		{"truthy is not yes", `call.on("transfer", () => 1);`, `{"allow":false,"call":"b"}`, ""},
		{"the second decides", `call.on("transfer", () => {}); call.on("transfer", () => true);`, `{"allow":true,"call":"b"}`, ""},
		{"it throws", `call.on("transfer", () => { throw new Error("mine") });`, `{"allow":false,"call":"b"}`, "Uncaught (in promise) mine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &phone{t: t, before: send(ask)}
			got := p.run(tt.source + `await call.stop(); await call.ring(); await call.ring();`)
			if !slices.Contains(p.asked, "call.transfer.decide "+tt.want) {
				t.Errorf("asked %q", p.asked)
			}
			if n := strings.Count(strings.Join(p.asked, "\n"), "decide"); n != 1 || tt.fails != "" && !strings.Contains(got, tt.fails) || tt.fails == "" && strings.Contains(got, ": ") {
				t.Errorf("%d decisions, %s", n, got)
			}
		})
	}
}

// TestMessageArgument: what onMessage is given.
func TestMessageArgument(t *testing.T) {
	calls := New()
	o, _ := scripttest.Run{
		Source:   `return [call.from.e164, call.text, call.headers.get("subject"), call.headers.names()]`,
		Argument: json.RawMessage(`{"from":{"e164":"+7916"},"text":"STOP","headers":[["Subject","s"]]}`),
		Options:  runtime.Options{Modules: []runtime.Module{calls}, Arguments: map[string]runtime.Argument{"default": Message}},
		Host:     (&phone{t: t}).answer,
		Env:      message.Environment{Zone: "Europe/Moscow"},
	}.Do(t)
	if string(o.Value) != `["+7916","STOP","s",["Subject"]]` {
		t.Errorf("%s %+v", o.Value, o.Error)
	}
}
