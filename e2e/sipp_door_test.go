package e2e

import "testing"

// doorScripts are called by the scenarios uac-*.
var doorScripts = files{
	"wait.ts": `
export default async function (call) {
  const seen = { held: [], keys: "", texts: [] };
  const keep = () => { call.result = seen; };
  call.on("hold", e => { seen.held.push(e.held); keep(); });
  call.on("digit", e => { seen.keys += e.digit; keep(); });
  call.on("message", e => { seen.texts.push(e.text); keep(); });
  await call.answer();
  await call.play("tone:500", { loop: true });
}
export async function onMessage() {}`,
	"bye.ts":   `export default async (call) => { await call.answer(); await call.play("silence:300ms"); }`,
	"busy.ts":  `export default async (call) => { await call.reject(486, "Busy Here"); }`,
	"ring.ts":  `export default async (call) => { await call.ring(); await new Promise(r => setTimeout(r, 20000)); }`,
	"think.ts": `export default async (call) => { await new Promise(r => setTimeout(r, 20000)); }`,
	"slow.ts":  `export default async (call) => { await call.ring(); await new Promise(r => setTimeout(r, 300)); await call.answer(); await call.play("tone:500", { loop: true }); }`,
	"early.ts": `export default async (call) => { await call.progress(); await call.play("tone:425/400ms"); await call.answer(); await call.play("tone:500", { loop: true }); }`,
	"gone.ts":  `export default async (call) => { await call.redirect("sip:elsewhere@example.ru"); }`,
	"who.ts": `
export default async function (call) {
  const h = (n) => call.headers.get(n) ?? null;
  call.result = { from: call.from.e164 ?? null, user: call.from.user, pai: h("P-Asserted-Identity"), div: h("Diversion"), privacy: h("Privacy"), identity: h("Identity"), long: (h("X-Long") ?? "").length, folded: h("X-Folded"), name: call.from.name ?? null };
  await call.answer();
  await call.play("silence:200ms");
}`,
	"heads.ts": `
export default async function (call) {
  call.result = { long: (call.headers.get("X-Long") ?? "").length, folded: call.headers.get("X-Folded") ?? null, name: call.from.name ?? null };
  await call.answer();
  await call.play("tone:500", { loop: true });
}`,
	"send.ts": `
export const config = { permissions: { sip: ["127.0.0.1"] } };
export default async function (call) {
  await call.answer();
  const moved = await call.transfer("sip:elsewhere@127.0.0.1", { timeout: "8s" });
  call.result = moved;
  await call.play("silence:200ms");
}`,
	"hold.ts": `
export default async function (call) {
  await call.answer();
  await call.play("silence:200ms");
  await call.hold();
  call.result = "held";
  await call.unhold();
  await call.play("silence:200ms");
}`,
	"held.ts": `
export default async function (call) {
  await call.answer();
  await call.play("silence:200ms");
  await call.hold();
  call.result = "held";
  await new Promise(r => setTimeout(r, 20000));
}`,
	"texts.ts": `
export default async function (call) {
  await call.answer();
  const text = await call.sendMessage("order 7");
  const info = await call.sendInfo("application/json", { order: 7 });
  call.result = [text.status, info.status];
}`,
}

// TestSIPpMatrix lets SIPp call us in every way that phones and providers do.
func TestSIPpMatrix(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	m := newMatrix(t, doorScripts, conf{rest: "limits: {script_grace: 1s, cps: 1000}\n"})
	m.p.start()
	datagram := []way{overUDP, overUDP6}
	byCaller, byScript := "200 served caller", "200 served script"
	table := []matrixCase{
		{name: "uac-basic", to: "wait", record: byCaller},
		{name: "uac-wants-100", to: "wait", record: byCaller},
		{name: "uac-answered-we-hang-up", to: "bye", record: byScript},
		{name: "uac-late-offer", to: "wait", record: byCaller},
		{name: "uac-hold-sendonly", to: "wait", record: byCaller, result: `"held":\[true,false\]`},
		{name: "uac-hold-inactive", to: "wait", record: byCaller, result: `"held":\[true,false\]`},
		{name: "uac-hold-zero", to: "wait", record: byCaller, result: `"held":\[true,false\]`},
		{name: "uac-hold-by-update", to: "wait", record: byCaller, result: `"held":\[true,false\]`},
		{name: "uac-our-hold", to: "hold", record: byScript, result: `held`},
		{name: "uac-reinvite-moves-media", to: "bye", record: byScript},
		{name: "uac-reinvite-late-offer", to: "wait", record: byCaller},
		{name: "uac-reinvite-no-common-codec", to: "wait", record: byCaller},
		{name: "uac-glare", to: "held", record: byCaller, result: `held`},
		{name: "uac-update-refresh", to: "wait", record: byCaller},
		{name: "uac-timer-too-small", to: "wait", record: byCaller},
		{name: "uac-timer-required", to: "wait", record: byCaller},
		{name: "uac-timer-we-refresh", to: "wait", record: byCaller, slow: true, args: []string{"-timeout", "80s"}},
		{name: "uac-prack", to: "slow", record: byCaller},
		{name: "uac-prack-early-media", to: "early", record: byCaller},
		{name: "uac-prack-wrong", to: "slow", record: byCaller},
		{name: "uac-early-media", to: "early", record: byCaller},
		{name: "uac-cancel-after-180", to: "ring", record: "487 abandoned caller"},
		{name: "uac-cancel-after-100", to: "think", record: "487 abandoned caller"},
		{name: "uac-cancel-after-answer", to: "wait", record: byCaller},
		{name: "uac-cancel-of-nothing", to: "wait"},
		{name: "uac-bye-race", to: "bye", record: "-"},
		{name: "uac-bye-while-it-rings", to: "ring", record: "487 abandoned caller"},
		{name: "uac-unknown-method", to: "wait"},
		{name: "uac-unknown-method-in-a-call", to: "wait", record: byCaller},
		{name: "uac-unknown-dialog", to: "wait"},
		{name: "uac-unknown-body", to: "wait"},
		{name: "uac-unknown-require", to: "wait"},
		{name: "uac-no-hops-left", to: "wait"},
		{name: "uac-no-route", to: "nothing-here"},
		{name: "uac-old-cseq", to: "wait", record: byCaller},
		{name: "uac-options", to: "wait"},
		{name: "uac-options-in-a-call", to: "wait", record: byCaller},
		{name: "uac-info-dtmf", to: "wait", record: byCaller, result: `"keys":"427#"`},
		{name: "uac-message", to: "wait"},
		{name: "uac-message-in-a-call", to: "wait", record: byCaller, result: `"texts":\["hello`},
		{name: "uac-message-from-us", to: "texts", record: byScript, result: `\["delivered","delivered"\]`},
		{name: "uac-retransmitted", to: "wait", only: datagram, record: byCaller},
		{name: "uac-ack-late", to: "wait", only: datagram, record: byCaller, wire: []string{"3 ^SIP/2.0 200.*CSeq: 1 INVITE"}},
		{name: "uac-ack-never", to: "wait", slow: true, record: "-", args: []string{"-timeout", "60s"}},
		{name: "uac-redirected", to: "gone", record: "-"},
		{name: "uac-refused", to: "busy", record: "486 served script"},
		{name: "uac-several-via", to: "bye", record: byScript},
		{name: "uac-long", to: "heads", record: byCaller, result: `"long":3000`},
		{name: "uac-compact", to: "wait", record: byCaller},
		{name: "uac-folded", to: "heads", record: byCaller, result: `"folded":"one +two +three","name":"Анна \\"Q\\" Петрова"`},
		{name: "uac-multipart", to: "wait", record: byCaller},
		{name: "uac-tel-and-odd-addresses", to: "bye", record: byScript},
		{name: "uac-who-calls", to: "who", record: byScript, result: `"pai":".*79161112233.*"div":".*74950000001.*;counter=1".*"identity":"eyJ0.eyJ1.c2ln`},
		{name: "uac-anonymous", to: "who"},
		{name: "uac-refer-outside", to: "wait"},
		{name: "uac-refer-refused", to: "wait", record: byCaller},
		{name: "uac-replaces-nothing", to: "wait"},
		{name: "uac-transferred", to: "send", record: "-", result: `"status":"completed","code":200`},
		{name: "uac-transfer-fails", to: "send", record: "-", result: `"status":"busy","code":486`},
		{name: "uac-subscribe", to: "wait"},
		{name: "uac-sdp-named", to: "wait", only: []way{overUDP, overTLS, overTCP, pieces}, record: byCaller, result: `"held":\[true\]`},
		{name: "uac-sdp-media-address", to: "bye", record: byScript},
		{name: "uac-sdp-no-address", to: "bye"},
		{name: "uac-sdp-no-rtpmap", to: "wait", record: byCaller},
		{name: "uac-sdp-video-beside", to: "wait", record: byCaller},
		{name: "uac-sdp-dynamic", to: "wait", record: byCaller},
		{name: "uac-sdp-addressed-line", to: "wait", record: byCaller},
		{name: "uac-sdp-savp-optional", to: "wait", record: byCaller},
		{name: "uac-sdp-no-common-codec", to: "wait"},
		{name: "uac-sdp-fax-only", to: "wait"},
		{name: "uac-sdp-broken", to: "wait"},
	}
	m.each(t, m.cells(table, "+7900003"), m.calls)
	m.p.empty(t)
}
