import { campaigns, schedule } from "loopstart:campaign";
import { callee, clock, expect, inbound, test } from "loopstart:test";

const list = (n, more = {}) => Array.from({ length: n }, (_, i) => ({ phone: "+791600000" + (10 + i), ...more }));

async function start(contacts, spec = {}) {
  const { id } = await campaigns.create({ script: "tell", trunk: "narrow", ...spec });
  await campaigns.add(id, contacts);
  await campaigns.start(id);
  return id;
}

test("a campaign takes no more lines than max_out, and callers get through", async () => {
  callee.ringsOut();
  const id = await start(list(9), { timeout: "30s" });
  await clock.pass("5s");
  expect((await campaigns.get(id)).counts.dialing).toBe(2);
  const c = await inbound({ to: "tell", trunk: "narrow" });
  await c.hears(/напоминание/);
  await clock.pass("5m");
  expect((await campaigns.get(id)).counts).toMatchObject({ done: 9, outcomes: { no_answer: 9 } });
});

test("limits change while it runs; pause, resume, cancel", async () => {
  callee.ringsOut();
  const id = await start(list(9), { timeout: "30s", maxCalls: 1 });
  await clock.pass("5s");
  expect((await campaigns.get(id)).counts.dialing).toBe(1);
  await campaigns.patch(id, { maxCalls: 2 });
  await clock.pass("1s");
  expect((await campaigns.get(id)).counts.dialing).toBe(2);
  await campaigns.pause(id);
  await clock.pass("5m");
  expect(await campaigns.get(id)).toMatchObject({ state: "paused", counts: { dialing: 0, attempts: 2 } });
  await campaigns.resume(id);
  await clock.pass("1s");
  await campaigns.cancel(id);
  await clock.pass("1s");
  expect(await campaigns.get(id)).toMatchObject({ state: "cancelled", counts: { waiting: 0, dialing: 0, done: 9 } });
  let code;
  await campaigns.start(id).catch((e) => { code = e.code; });
  expect(code).toBe("CONFLICT");
});

test("the most important contact goes first", async () => {
  callee.answers({ after: "10s" });
  const id = await start([...list(3), { phone: "+79169999999", priority: 50 }], { maxCalls: 1 });
  await clock.pass("5s");
  expect((await campaigns.contact(id, "+79169999999")).state).toBe("dialing");
});

test("orders count in a campaign's frequency cap", async () => {
  const anna = "+79161112233";
  await schedule({ script: "tell", to: anna, trunk: "narrow" });
  await clock.pass("1m");
  const id = await start([{ phone: anna }], { frequency: [{ calls: 1, per: "1d" }] });
  await clock.pass("1h");
  expect(await campaigns.contact(id, anna)).toMatchObject({ state: "waiting", reason: "frequency", attempts: [] });
  await clock.pass("24h");
  expect((await campaigns.contact(id, anna)).outcome).toBe("delivered");
});

test("who has two numbers is called on the other one", async () => {
  callee("+79161112233").rejects(404);
  const id = await start([{ key: "a", phone: "+79161112233", phones: ["+79031112233"] }], { attempts: 2 });
  await clock.pass("1m");
  expect((await campaigns.contact(id, "a")).attempts.map((a) => a.outcome)).toEqual(["bad_number", "delivered"]);
});

test("added while it runs, a number once only", async () => {
  const id = await start(list(2));
  await clock.pass("1m");
  expect((await campaigns.get(id)).state).toBe("completed");
  expect(await campaigns.add(id, list(3))).toMatchObject({ accepted: 1, duplicates: 2 });
  await clock.pass("1m");
  expect(await campaigns.get(id)).toMatchObject({ state: "completed", counts: { contacts: 3, attempts: 3 } });
});
