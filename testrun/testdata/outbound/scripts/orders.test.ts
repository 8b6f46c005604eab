import { schedule, cancel, stopList } from "loopstart:campaign";
import { callee, clock, expect, outbound, test } from "loopstart:test";

const anna = "+79161112233", vera = "+74232112233"; // Vladivostok, seven hours ahead
const order = { script: "tell", to: anna, trunk: "narrow" };

test("an order waits for its window, and is dialled in the first minute of it", async () => {
  const c = await outbound({ ...order, window: "12:00-13:00" });
  await clock.to("11:59");
  expect(c.records).toHaveLength(0);
  await c.rings({ within: "2m" });
  expect((await c.ended()).started_at).toMatch(/T12:00:0/);
});

test("callee: the window is where the number is", async () => {
  const c = await outbound({ ...order, to: vera, window: "09:00-18:00" }); // 17:00 there
  expect((await c.ended()).outcome).toBe("delivered");
  await clock.to("11:30"); // 18:30 there
  const late = await outbound({ ...order, to: vera, window: "09:00-18:00" });
  await clock.pass("12h");
  expect(late.records).toHaveLength(0);
  const here = await outbound({ ...order, to: "+74232112244", window: "23:00-24:00", zone: "Europe/Moscow" });
  expect((await here.ended()).outcome).toBe("delivered");
});

test("a retry that falls behind the window waits for the next day", async () => {
  callee(anna).busy({ times: 1 });
  const c = await outbound({ ...order, attempts: 2, retry: { busy: "30m" }, window: "09:00-10:15" });
  expect((await c.ended()).outcome).toBe("busy");
  await clock.to("tomorrow 08:59");
  expect(c.records).toHaveLength(1);
  await c.rings({ within: "2m" });
});

test("what expires before its window opens is never dialled", async () => {
  const c = await outbound({ ...order, window: "18:00-19:00", expires: "1h" });
  const record = await c.ended({ within: "2h" });
  expect([record.outcome, record.cause]).toEqual(["not_called", "expired"]);
});

test("dedupe: the same order within the time is the one that stood", async () => {
  const first = await schedule({ ...order, dedupe: "24h", key: "a" });
  await clock.pass("1h");
  expect(await schedule({ ...order, dedupe: "24h", key: "a" })).toEqual({ id: first.id, state: "done" });
  expect((await schedule({ ...order, dedupe: "24h", key: "b" })).id === first.id).toBe(false);
  await clock.pass("24h");
  expect((await schedule({ ...order, dedupe: "24h", key: "a" })).id === first.id).toBe(false);
});

test("the stop-list holds at the instant of dialling", async () => {
  const c = await outbound({ ...order, at: "1h" });
  await stopList.add("8 916 111-22-33", { reason: "asked", expires: "2h" });
  const record = await c.ended({ within: "2h" });
  expect([record.outcome, record.cause]).toEqual(["not_called", "stop_list"]);
  await clock.pass("3h");
  expect(await stopList.has(anna)).toBe(false);
  expect((await (await outbound(order)).ended()).outcome).toBe("delivered");
});

test("lines are left for callers, and the most important order goes first", async () => {
  callee.answers({ after: "30s" });
  const numbers = ["+79160000001", "+79160000002", "+79160000003", "+79160000004", "+79160000005"];
  for (const [i, to] of numbers.entries()) await schedule({ ...order, to, priority: i === 4 ? 10 : 0 });
  await clock.pass("10s");
  const ringing = () => numbers.filter((to) => callee(to).state === "ringing");
  expect(ringing()).toHaveLength(2); // max_out
  await clock.pass("25s"); // one of the first is over
  await clock.pass("2s");
  expect(ringing()).toContain(numbers[4]);
});

test("max_cps spreads the dials", async () => {
  callee.ringsOut();
  const numbers = Array.from({ length: 6 }, (_, i) => "+7916000010" + i);
  for (const to of numbers) await schedule({ ...order, to, trunk: "slow" });
  await clock.pass("2500ms");
  const ringing = numbers.filter((to) => callee(to).state === "ringing").length;
  expect(ringing).toBeGreaterThan(1);
  expect(ringing).toBeLessThan(6);
  await clock.pass("5s");
  expect(numbers.filter((to) => callee(to).state === "ringing")).toHaveLength(6);
});

test("cancel by key and by id", async () => {
  await schedule({ ...order, key: "k", at: "1h" });
  const { id } = await schedule({ ...order, at: "1h" });
  await cancel({ key: "k" });
  await cancel({ id });
  await clock.pass("2h");
  expect(callee(anna).heard).toHaveLength(0);
  let code;
  await cancel({ key: "k" }).catch((e) => { code = e.code; });
  expect(code).toBe("NOT_FOUND");
});

test("wrong fields are named", async () => {
  const codes = [];
  for (const wrong of [{ window: "9-21" }, { zone: "Moscow" }, { priority: 101 }, { dedupe: "soon" }, { retry: { busi: "5m" } }]) {
    await schedule({ ...order, ...wrong }).catch((e) => codes.push(e.code + " " + e.message.split(":")[0]));
  }
  expect(codes).toEqual(["INVALID window", "INVALID zone", "INVALID priority", "INVALID dedupe", "INVALID retry"]);
});

test("whoever is called by a number has the record of that call", async () => {
  const anna = callee("+79161112255");
  anna.busy({ times: 1 });
  const { id } = await schedule({ script: "tell", to: "8 916 111-22-55", attempts: 2, retry: { busy: "5m" } });
  expect(await anna.ended()).toMatchObject({ order: id, outcome: "busy", attempt: 1, final: false });
  await anna.hears(/напоминание/, { within: "6m" });
  expect(await anna.ended()).toMatchObject({ order: id, outcome: "delivered", attempt: 2, final: true });
  expect(anna.records.map((r) => r.outcome)).toEqual(["busy", "delivered"]);
  expect(anna.id).toBe(id + ".2");
  expect(anna.timeline.some((e) => e.detail === "answered")).toBe(true);
});
