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
		Source: `const b = require("loopstart:bitrix24");
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
		{`await b.rest("crm.item.get", {id: 7}, {timeout: "5s"})`, `bitrix24.rest {"method":"crm.item.get","params":{"id":7},"timeoutMs":5000}`},
		{`await b.rest(7)`, `INVALID: rest: the method is 7, a string is wanted | write rest("crm.item.list", { entityTypeId: 1 })`},
		{`await b.rest("profile", [1])`, `INVALID: rest: the parameters are an array, an object is wanted`},
		{`await b.send("x.y", {}, {kee: "a"})`, `INVALID: send: unknown option "kee" | did you mean key?`},
		{`await b.batch({me: ["profile"], u: ["user.get", {ID: 1}]}, {halt: true})`, `bitrix24.batch {"commands":[{"method":"profile","name":"me","params":{}},{"method":"user.get","name":"u","params":{"ID":1}}],"halt":true}`},
		{`await b.caller(ring)`, `bitrix24.caller {"phone":"+79161112233"}`},
		{`await b.caller(undefined, {timeout: "1s"})`, `bitrix24.caller {"phone":"","timeoutMs":1000}`},
		{`await b.lead({phone: "+79161112233", fields: {ufCrm_1: "x"}})`, `bitrix24.lead {"fields":{"ufCrm_1":"x"},"phone":"+79161112233"}`},
		{`await b.openCard(ring, {inner: "101", show: false})`, `bitrix24.openCard {` + facts + `,"inner":"101","show":false}`},
		{`await b.openCard({})`, `INVALID: openCard: an object is no call | give it the call of the script`},
		{`await b.showCard(ring, [7, 8])`, `bitrix24.showCard {"call":"c1","users":[7,8]}`},
		{`await b.finishCall({id: "c1"}, {vote: 6})`, `INVALID: finishCall: option "vote" is 6, a whole number from 1 to 5 is wanted`},
		{`await b.finishCall({id: "c1"}, {entity: {type: "lead", id: 7}})`, `bitrix24.finishCall {"entity":{"id":7,"type":"lead"},"record":{"id":"c1"}}`},
		{`await b.event({text: "event=A"})`, `bitrix24.event {"body":"event=A"}`},
	} {
		if got := run(t, c.source); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.source, got, c.want)
		}
	}
}
