package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// The moving network: two namespaces with one of ours each. The near one gets
// another address while it talks, as from a new lease.
//
//	near 10.79.0.1, later 10.79.0.11 — 10.79.0.2 far
const (
	movingEnv  = "LOOPSTART_E2E_MOVING" // the far namespace, set inside the near one
	movingFar  = "10.79.0.2"
	movingOld  = "10.79.0.1"
	movingNew  = "10.79.0.11"
	movingLink = "move0"
)

var movingScripts = files{
	"talk.ts": `
export const config = { record: { stereo: true } };
export default async function (call) { await call.play("tone:500/12s"); }`,
	"ivr.ts": `
export const config = { record: { stereo: true } };
export default async function (call) { await call.answer(); await call.play("tone:800/15s"); }`,
	"ring.ts": `
export default async function (call) { await call.answer(); call.result = await call.connect("101", { timeout: "8s" }); }`,
	"late.ts": `
import { sleep } from "loopstart:core";
export default async function (call) { await call.ring(); await sleep("5s"); await call.answer(); await call.play("tone:440/10s"); }`,
	"short.ts": `
export default async function (call) { await call.answer(); await call.play("tone:440/200ms"); }`,
}

// TestAddressMoves: an interface gets another address during a call. The call
// goes on, the registration moves, calls come in and go out.
func TestAddressMoves(t *testing.T) {
	t.Parallel()
	if far := os.Getenv(movingEnv); far != "" {
		moveAndTalk(t, far)
		return
	}
	near, far := movingNetwork(t)
	again(t, near, movingEnv, far)
}

// movingNetwork makes the namespaces, or skips where that is not allowed.
func movingNetwork(t *testing.T) (near, far string) {
	t.Helper()
	ns := namespaces(t, "move", "stay")
	near, far = ns[0], ns[1]
	ip(t, "link add "+movingLink+" netns "+near+" type veth peer name stay0 netns "+far)
	address(t, near, movingLink, movingOld)
	address(t, far, "stay0", movingFar)
	return near, far
}

// moveAndTalk runs inside the near namespace.
func moveAndTalk(t *testing.T, far string) {
	b := &project{t: t, dir: t.TempDir(), netns: far, ports: "20000-20299",
		sip: netip.MustParseAddrPort(movingFar + ":30060"), http: netip.MustParseAddrPort(movingFar + ":30080")}
	b.config(conf{sip: `users: {"101": {password: pass-101, max_calls: 4, dial: ["+7"]}}`, rest: "routes:\n  - {to: \"+79160000002\", script: ring}\n  - {to: \"+79160000003\", script: late}\n  - {to: \"+7*\", script: ivr}\n"})
	a := setup(t, movingScripts, conf{ip: "0.0.0.0", sip: "trust: []", rest: fmt.Sprintf("trunks:\n  far: {address: \"%s\", username: \"101\", password: pass-101, register: true, present: pai, options: off, destinations: [\"+7\"], from: [\"+74951234567\"]}\nroutes:\n  - {trunk: far, script: short}\n", b.sip)})
	for name, text := range movingScripts {
		b.save(name, text)
	}
	b.start()
	a.start()
	registered := func(p *project, address string) func() bool {
		return func() bool {
			return strings.Contains(p.log.String(), `"msg":"registration registered","user":"101","source":"`+address+`:`)
		}
	}
	eventually(t, "the registration", 10*time.Second, registered(b, movingOld))

	id := a.place(map[string]any{"script": "talk", "to": "+79160000001"})
	eventually(t, "the answer", 10*time.Second, func() bool { return a.tells(id+".1", "ACK ") })
	ip(t, "addr del "+movingOld+"/24 dev "+movingLink)
	ip(t, "addr add "+movingNew+"/24 dev "+movingLink)
	eventually(t, "the new registration", 15*time.Second, registered(b, movingNew))
	find(t, a.timeline(id+".1"), "media", "our address "+movingOld+" is gone, the audio goes on from "+movingNew)
	o := a.done(id)
	if o.Outcome != "delivered" {
		t.Errorf("the call that was moved ended as %q", o.Outcome)
	}
	heardAt(t, "the mover hears", a.fetchRecording(o.ID), 800)
	var rows []record
	eventually(t, "the record of the far side", testLimit, func() bool { rows = b.list("outcome=served"); return len(rows) == 1 && rows[0].Final })
	heardAt(t, "the mover is heard", b.fetchRecording(rows[0].ID), 500)
	if out := a.log.String(); !strings.Contains(out, "the addresses of this machine have changed") {
		t.Error("the log says nothing")
	}

	// Out to the far side, whose script calls us back at the new Contact.
	if o := a.done(a.place(map[string]any{"script": "talk", "to": "+79160000002"})); o.State != "done" {
		t.Errorf("%+v", o)
	}
	eventually(t, "the call in", testLimit, func() bool { return len(a.list("outcome=served")) == 1 })
	moveWhileRinging(t, a)
}

// moveWhileRinging goes back to the first address while a call of ours rings: it
// rings anew, from there, and is answered.
func moveWhileRinging(t *testing.T, a *project) {
	t.Helper()
	id := a.place(map[string]any{"script": "short", "to": "+79160000003"})
	eventually(t, "the ringing", 10*time.Second, func() bool { return a.tells(id+".1", "180 ") })
	ip(t, "addr del "+movingNew+"/24 dev "+movingLink)
	ip(t, "addr add "+movingOld+"/24 dev "+movingLink)
	o := a.done(id)
	find(t, a.timeline(id+".1"), "state", "our address "+movingNew+" is gone before the answer, which could not reach us: dialled again from "+movingOld)
	if o.Outcome != "delivered" {
		t.Errorf("the call that rang anew ended as %q\n%v", o.Outcome, a.timeline(id+".1"))
	}
}

// heardAt wants the tone in the third quarter of a stereo recording, long after
// the move.
func heardAt(t *testing.T, what string, channels [][]int16, hz float64) {
	t.Helper()
	if len(channels) != 2 {
		t.Fatalf("%s: %d channels", what, len(channels))
	}
	from := len(channels[0]) * 3 / 4
	if d := phone.ToneTime(channels[0][from:], hz); d < time.Second {
		t.Errorf("%s: %s of the tone at the end of %d samples", what, d, len(channels[0]))
	}
}
