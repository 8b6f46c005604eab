package testrun

import "testing"

// TestConference has callers of one script who hear each other in virtual time.
func TestConference(t *testing.T) {
	r := runProject(t, map[string]string{
		"loopstart.yaml": "project: {language: en}\n",
		"scripts/room.ts": `import { conference } from "loopstart:call";
import type { Call } from "loopstart:call";
export default async function (call: Call) {
  await call.answer();
  const room = conference("team", { music: "tone:500/400ms", record: true });
  const left: string[] = [];
  room.on("leave", ({ member, members }) => { left.push(member.who + " " + members); });
  const talk = await room.join(call, { hangupOn: "*0", keys: { "*6": () => room.mute(call), "*7": () => room.unmute(call), "*9": () => room.close() } });
  await call.say("You have left");
  call.result = { endedBy: talk.endedBy, member: talk.member, recorded: !!talk.recording, left, there: (await room.members()).length };
}
`,
		"scripts/pin.js": `import { conference } from "loopstart:call";
export default async function (call) {
  const { status } = await conference("secret").join(call, { pin: "42", pinTries: 2, role: "listen" });
  call.result = status;
}
`,
		"scripts/room.test.ts": `import { expect, inbound, test } from "loopstart:test";
test("two hear each other", async () => {
  const a = await inbound({ to: "room", from: "+79160000001" });
  await a.hears(/tone:500/);
  const b = await inbound({ to: "room", from: "+79160000002" });
  await a.silent("2s");
  await a.says("Anybody there");
  await b.hears(/Anybody there/);
  await b.says("Just me");
  await a.hears(/Just me/);
  const c = await inbound({ to: "room", from: "+79160000003" });
  await a.silent("2s");
  c.press("*6");
  await a.silent("1s");
  await c.says("Nobody hears this");
  c.press("*7");
  await a.silent("1s");
  await c.says("But this");
  await a.hears(/But this/);
  expect(a.heard.includes("Nobody hears this")).toBe(false);
  await b.hangup();
  await a.silent("1s");
  a.press("*0");
  await a.hears(/You have left/);
  const record = await a.ended();
  expect(record.result).toEqual({ endedBy: "caller", member: 1, recorded: true, left: ["+79160000002 2", "+79160000001 1"], there: 1 });
  c.press("*9");
  await c.hears(/You have left/);
  expect((await c.ended()).result.endedBy).toBe("closed");
});
test("the PIN", async () => {
  const c = await inbound({ to: "pin" });
  await c.hears(/conference-pin.wav/);
  c.press("41");
  await c.hears(/conference-pin-wrong.wav/);
  c.press("43");
  expect((await c.ended()).result).toBe("denied");
});
`,
	})
	if r.Failed > 0 || r.Passed != 2 {
		t.Errorf("%d passed, %d failed\n%s", r.Passed, r.Failed, show(r))
	}
}
