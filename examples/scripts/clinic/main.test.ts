import { campaigns, schedule, stopList } from "loopstart:campaign";
import { callee, clock, expect, http, secrets, test } from "loopstart:test";

const anna = "+79161112233", boris = "+79031112233", vera = "+74232112233"; // Vera lives in Vladivostok
const data = (name: string) => ({ name, doctor: "Ивановой", day: "2026-01-13", time: "15:30" });
const rules = { script: "clinic", attempts: 3, retry: { busy: "5m", default: "1h" }, window: "10:00-20:00" };

async function start(list: object[], more = {}) {
  const { id } = await campaigns.create({ ...rules, ...more });
  const report = await campaigns.add(id, list as never);
  await campaigns.start(id);
  return { id, report };
}

test("everybody is called, and the clinic hears who comes", async () => {
  secrets.set("CLINIC_URL", "https://clinic.example.ru");
  const told = http.on("POST", /clinic\.example\.ru\/visits/).reply(204);
  const { id, report } = await start([{ key: "v1", phone: anna, data: data("Анна") }, { key: "v2", phone: "8 903 111-22-33", data: data("Борис") }]);
  expect(report).toEqual({ accepted: 2, duplicates: 0, refused: 0, rejected: [] });
  for (const [who, key, words] of [[anna, "1", /ждём вас/], [boris, "2", /отменена/]] as const) {
    const c = callee(who);
    await c.hears(/Вы записаны к врачу/);
    c.press(key);
    await c.hears(words);
    await c.ended();
  }
  await clock.pass("1s");
  const done = await campaigns.get(id);
  expect([done.state, done.counts.outcomes]).toEqual(["completed", { delivered: 2 }]);
  expect(told.requests.map((r) => r.json.choice).sort()).toEqual(["cancelled", "comes"]);
});

test("three calls at most, whatever becomes of them", async () => {
  callee(anna).busy({ times: 1 }).ringsOut({ times: 1 });
  const { id } = await start([{ phone: anna, data: data("Анна") }]);
  await clock.pass("6m"); // busy, then 5 minutes
  await clock.pass("2h");
  await clock.pass("2h"); // nothing is pressed: answered_short
  const c = await campaigns.contact(id, anna);
  expect(c.attempts.map((a) => a.outcome)).toEqual(["busy", "no_answer", "answered_short"]);
  expect([c.state, c.outcome]).toEqual(["done", "answered_short"]);
});

test("it is evening in Vladivostok: Vera is called tomorrow", async () => {
  await clock.to("13:30"); // 20:30 there
  const { id } = await start([{ phone: vera, data: data("Вера") }]);
  await clock.pass("1h");
  expect((await campaigns.contact(id, vera)).attempts).toHaveLength(0);
  await clock.to("tomorrow 02:59");
  expect((await campaigns.contact(id, vera)).attempts).toHaveLength(0);
  const c = callee(vera);
  await c.hears(/Вера/, { within: "5m" }); // ten o'clock there, three in the morning here
});

test("9: nobody of ours calls this number again", async () => {
  const { id } = await start([{ phone: anna, data: data("Анна") }]);
  const c = callee(anna);
  await c.hears(/нажмите девять/);
  c.press("9");
  await c.hears(/звонить не будем/);
  await c.ended();
  expect(await stopList.has("8 916 111-22-33")).toBe(true);
  const again = await start([{ phone: anna, data: data("Анна") }]);
  await clock.pass("1m");
  expect(await campaigns.contact(again.id, anna)).toMatchObject({ state: "done", outcome: "not_called", reason: "stop_list" });
  await schedule({ script: "clinic", to: anna, data: data("Анна") });
  await clock.pass("1m");
  expect(c.heard).toHaveLength(2); // the question and the answer of the only call
  expect(await stopList.delete(anna)).toBe(true);
  expect((await campaigns.get(id)).counts.outcomes).toEqual({ delivered: 1 });
});

test("a list that nobody answers stops by itself", async () => {
  callee.ringsOut();
  const list = Array.from({ length: 30 }, (_, i) => ({ phone: "+791611100" + (10 + i), data: data("Никто") }));
  const { id } = await start(list, { stopWhen: { after: 10, answerRate: { min: 0.1 } }, timeout: "20s", maxCalls: 5 });
  await clock.pass("10m");
  const c = await campaigns.get(id);
  expect(c.state).toBe("paused");
  expect(c.reason).toMatch(/answer rate/);
  expect(c.counts.dialled).toBeLessThan(30);
});

test("the first calls are a rehearsal", async () => {
  const { id } = await campaigns.create(rules);
  await campaigns.add(id, [anna, boris, vera].map((phone) => ({ phone, data: data("Анна") })));
  await campaigns.start(id, { pauseAfter: 1 });
  await clock.pass("5m");
  expect(await campaigns.get(id)).toMatchObject({ state: "paused", counts: { attempts: 1 } });
  callee(anna).busy();
  await campaigns.resume(id);
  await clock.pass("5m");
  expect((await campaigns.get(id)).counts.dialled).toBe(3);
});

test("a row without a field is refused, with its line", async () => {
  const { report } = await start([{ phone: anna, data: { name: "Анна" } }, { phone: "7,91E+10", data: data("Борис") }]);
  expect(report.accepted).toBe(0);
  expect(report.rejected.map((r) => r.line)).toEqual([1, 2]);
  expect(report.rejected[0].message).toMatch(/is missing/);
});
