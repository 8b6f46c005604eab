package script

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// run gives what the host was asked, or the error.
func run(t *testing.T, source string) string {
	t.Helper()
	asked := ""
	o, _ := scripttest.Run{
		Source: `const b = require("loopstart:retailcrm");
			const ring = { id: "c1", direction: "inbound", remote: { e164: "+79161112233" }, to: { e164: "+74951234567" }, startedAt: "2026-01-12T10:00:00Z" };` + source,
		Options: runtime.Options{Modules: []runtime.Module{Module()}},
		Host: func(_ *scripttest.Host, r message.Request, _ uint32) (any, error) {
			asked = r.Method + " " + string(r.Args)
			return nil, nil
		},
	}.Do(t)
	if o.Error != nil {
		return strings.TrimSuffix(string(o.Error.Code)+": "+o.Error.Message+" | "+o.Error.Hint, " | ")
	}
	return asked
}

func TestModule(t *testing.T) {
	const facts = `"call":{"direction":"inbound","id":"c1","line":"+74951234567","phone":"+79161112233","startedAt":"2026-01-12T10:00:00Z"}`
	for _, c := range []struct{ source, want string }{
		{`await b.rest("GET reference/statuses")`, `retailcrm.rest {"method":"GET","params":{},"path":"reference/statuses"}`},
		{`await b.rest("DELETE orders")`, `INVALID: rest: "DELETE orders" is no request | write rest("GET orders/statuses") or rest("POST customers/notes/create", { note: { … } })`},
		{`await b.send("GET orders")`, `INVALID: send: only POST changes anything | read with rest`},
		{`await b.order({number: "1001C"})`, `retailcrm.order {"number":"1001C"}`},
		{`await b.order({})`, `INVALID: order: which order? | say { number: "1001C" }, { externalId: "77" } or { id: 77 }`},
		{`await b.updateOrder({id: 77}, {status: "x"})`, `retailcrm.updateOrder {"changes":{"status":"x"},"order":{"id":"77"}}`},
		{`await b.callEvent(ring, {codes: ["101"]})`, `retailcrm.callEvent {` + facts + `,"codes":["101"]}`},
		{`await b.finishCall({id: "c1"}, {result: "no answered"})`, `INVALID: finishCall: option "result" is "no answered", one of answered, busy, failed, no answer, not allowed, unknown is wanted | did you mean no answer?`},
		{`const t = b.trigger({query: {token: "s", a: "1"}, form: {b: '{"c":2}', a: "3"}, json: undefined}); await b.order({number: [t.a, t.b.c, t.token].join()})`, `retailcrm.order {"number":"3,2,"}`},
		{`b.trigger(7)`, `INVALID: trigger: 7 is no request | give it the request of onRequest`},
	} {
		if got := run(t, c.source); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.source, got, c.want)
		}
	}
}
