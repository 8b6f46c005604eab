import { asr, expect, inbound, test } from "loopstart:test";

test("speech after the prompt", async () => {
  const c = await inbound({ to: "spoken" });
  await c.hears(/interrupted/);
  await c.silent("2s");
  await c.says("Yes, please");
  await c.hears("Thanks");
  expect((await c.ended()).result).toEqual({ digits: "", reason: "speech", speech: { text: "Yes, please", engine: "test" } });
});

test("speech ends the prompt", async () => {
  const c = await inbound({ to: "spoken" });
  await c.hears(/press one/);
  await c.says("No thank you");
  await c.hears("Thanks");
  expect(c.heard.length).toBe(2);
  const record = await c.ended();
  expect(record.result.speech.text).toBe("No thank you");
  expect(record.talk_ms).toBeLessThan(5000);
});

test("a key that comes first wins", async () => {
  const c = await inbound({ to: "spoken" });
  await c.hears(/interrupted/);
  c.says("I was just about to say something long");
  await c.silent("500ms");
  c.press("1");
  await c.hears("Thanks");
  expect((await c.ended()).result).toEqual({ digits: "1", reason: "digits" });
});

test("what nobody understands is asked again, and silence too", async () => {
  asr.on("mumble").replies("");
  const c = await inbound({ to: "spoken" });
  await c.hears(/interrupted/);
  await c.says("mumble mumble");
  await c.hears("Sorry");
  await c.hears("Thanks", { within: "20s" });
  expect((await c.ended()).result).toEqual({ digits: "", reason: "timeout" });
});

test("what validate refuses is asked again", async () => {
  asr.on("perhaps").replies("maybe", { confidence: 0.5 });
  const c = await inbound({ to: "spoken" });
  await c.hears(/interrupted/);
  await c.says("perhaps");
  await c.hears("Sorry");
  await c.says("yes");
  await c.hears("Thanks");
  expect((await c.ended()).result.speech.text).toBe("yes");
});

test("a sound file is understood as the test says", async () => {
  asr.on("hello.wav").replies("hello", { confidence: 0.75, alternatives: [{ text: "yellow", confidence: 0.2 }] });
  const c = await inbound({ to: "spoken", data: { secret: true } });
  await c.hears(/interrupted/);
  await c.says({ audio: "hello.wav" });
  await c.hears("Thanks");
  const { result } = await c.ended();
  expect(result.speech).toEqual({ text: "hello", confidence: 0.75, alternatives: [{ text: "yellow", confidence: 0.2 }], engine: "test" });
  expect(c.timeline.filter((e) => e.kind === "speech").map((e) => e.detail)[1]).toBe('heard "•••", confidence 0.75 (test)');
});

test("a recogniser that fails rejects", async () => {
  asr.on(/.*/).fails();
  const c = await inbound({ to: "spoken" });
  await c.hears(/interrupted/);
  await c.says("anything");
  expect((await c.ended()).outcome).toBe("failed");
});

test("who hangs up while he speaks", async () => {
  const c = await inbound({ to: "spoken" });
  await c.hears(/interrupted/);
  c.says("I hang up in the middle of this");
  await c.silent("700ms");
  await c.hangup();
  expect((await c.ended()).outcome).toBe("abandoned");
});
