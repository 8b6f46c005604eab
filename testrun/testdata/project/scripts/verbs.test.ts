import { callee, clock, expect, inbound, kv, outbound, test, user } from "loopstart:test";

const ask = (what: string, to?: string, more = {}) => inbound({ to: "verbs", data: { do: what, to }, ...more });

test("a caller holds and comes back", async () => {
  const c = await ask("wait");
  await c.hears("Нажмите");
  await c.hold();
  await c.silent("5s");
  await c.resume();
  c.press("1");
  await c.hears("Всё");
  await c.ended();
  const seen = c.timeline.map((e) => e.detail).filter((d) => /held|resumed/.test(d));
  expect(seen).toEqual(["held by the other side", "held", "resumed by the other side", "resumed"]);
});

test("a caller speaks a sound file", async () => {
  const c = await ask("record");
  await c.hears("beep");
  await c.says({ audio: "hello.wav" });
  await c.hears("silence long");
});

test("a caller speaks words to whom he is connected with", async () => {
  user("101").answers({ after: "2s" });
  const c = await ask("connect", "101");
  await user("101").answered();
  await c.says({ audio: "hello.wav" });
  await user("101").hears("hello.wav");
  await user("101").says("Слушаю вас");
  await c.hears(/слушаю/i);
  user("101").hangup();
  expect((await c.ended()).result).toEqual({ status: "completed", answeredBy: "101" });
});

test("a machine answers, speaks and beeps", async () => {
  callee("+79160000009").machine("Оставьте сообщение после сигнала", { after: "3s" });
  const c = await ask("connect", "8 916 000-00-09");
  await c.hears(/Оставьте сообщение/);
  await c.hears("beep");
  c.hangup();
  expect((await c.ended()).result.status).toBe("completed");
});

test("nobody, busy, refused", async () => {
  callee("+79160000009").ringsOut({ times: 1 });
  let c = await ask("connect", "+79160000009");
  expect((await c.ended()).result.status).toBe("no_answer");
  callee("+79160000009").busy();
  c = await ask("connect", "+79160000009");
  expect((await c.ended()).result.status).toBe("busy");
  callee("+79160000009").rejects(603);
  c = await ask("connect", "+79160000009");
  expect((await c.ended()).result.status).toBe("rejected");
  user("101").offline();
  c = await ask("connect", "101");
  expect((await c.ended()).result.status).toBe("no_answer");
});

test("an order to a machine", async () => {
  callee.machine("Вы позвонили Анне");
  const c = await outbound({ script: "verbs", to: "+79161112233", data: { do: "hangup" } });
  const record = await c.ended();
  expect(record.result).toEqual({ code: "HANGUP" });
});

test("after a hang-up nothing begins", async () => {
  const c = await ask("hangup");
  const record = await c.ended();
  expect(record.result).toEqual({ code: "HANGUP" });
  expect(record.ended_by).toBe("script");
  expect(c.timeline.some((e) => e.kind === "prompt")).toBe(false);
});

test("a transfer to a number goes to the caller's trunk", async () => {
  const c = await ask("transfer", "8 (916) 000-00-09", { trunk: "main" });
  expect((await c.ended()).result).toEqual({ status: "completed", code: 200 });
  expect(c.transfers).toEqual(["sip:+79160000009@127.0.0.1"]);
});

test("a transfer to a user, an address, nobody", async () => {
  let c = await ask("transfer", "101");
  await c.ended();
  expect(c.transfers).toEqual(["sip:101@127.0.0.1"]);
  c = await ask("transfer", "sip:a@b.example.ru");
  await c.ended();
  expect(c.transfers).toEqual(["sip:a@b.example.ru"]);
  for (const [to, why] of [["sales", "is a group"], ["nobody", "no user or number"], ["+15551234567", "may not dial"]]) {
    c = await ask("transfer", to, { trunk: "main" });
    await c.ended();
    expect(c.timeline.find((e) => e.kind === "error")!.detail).toContain(why);
  }
});

test("an hour of silence on tape", async () => {
  const c = await ask("message");
  await c.silent("61m");
  expect((await c.ended()).result).toEqual({ reason: "maxDuration", seconds: 3600 });
});

test("update and compareAndSet have a ttl", async () => {
  const c = await ask("kv");
  await c.ended();
  expect(await kv.list("")).toEqual([{ key: "m", value: 5 }, { key: "n", value: 2 }]);
  await clock.pass("1m");
  expect(await kv.list("")).toEqual([]);
});
