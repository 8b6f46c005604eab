import { callee, clock, expect, http, inbound, secrets, test, user } from "loopstart:test";

const anna = "+79161112233";
const crm = "https://crm.example.ru";

function office(client: unknown = {}) {
  secrets.set("CRM_URL", crm);
  http.on("GET", /crm\.example\.ru\/clients/).reply(200, client);
  return { leads: http.on("POST", crm + "/leads").reply(200), calls: http.on("POST", crm + "/calls").reply(200) };
}

const ring = (from = anna) => inbound({ to: "taxi", from });

test("a new caller becomes a lead and talks to the operators on shift", async () => {
  const { leads, calls } = office();
  const c = await ring();
  await c.hears(/Вызвать машину/);
  c.press("1");
  await user("101").hears(/Новый заказ/);
  user("101").says("Таксопарк, слушаю");
  await c.hears(/слушаю/);
  c.hangup();
  const record = await c.ended();
  expect(record.outcome).toBe("talked");
  await clock.pass("1m");
  expect(leads.requests.map((r) => r.json)).toEqual([{ phone: anna }]);
  expect(calls.requests[0].json).toMatchObject({ from: anna, outcome: "talked", result: { group: "sales", operator: "101" } });
  expect(calls.requests[0].json.recording).toBe(record.recording);
});

test("two calls at once are one lead", async () => {
  const { leads } = office();
  const [a, b] = [await ring(), await ring()];
  await a.hears(/здравствуйте/);
  await b.hears(/здравствуйте/);
  a.hangup();
  b.hangup();
  await b.ended();
  await clock.pass("1m");
  expect(leads.requests).toHaveLength(1);
});

test("whoever has an order is put through to the driver", async () => {
  const { leads } = office({ lead: "7", driver: "+79160000002" });
  const c = await ring();
  await callee("+79160000002").hears(/Звонит ваш пассажир/);
  callee("+79160000002").says("Я у подъезда");
  await c.hears(/подъезда/);
  c.hangup();
  expect((await c.ended()).result).toEqual({ driver: "completed" });
  expect(leads.requests).toHaveLength(0);
});

test("a driver who does not answer: the menu", async () => {
  office({ lead: "7", driver: "+79160000002" });
  callee("+79160000002").busy();
  const c = await ring();
  await c.hears(/Водитель не отвечает/);
  await c.hears(/Частые вопросы/);
  c.press("2");
  await c.hears(/Подача пятнадцать минут/);
  expect((await c.ended()).outcome).toBe("missed"); // a person was wanted
});

test("a slow CRM holds up nobody", async () => {
  office();
  http.on("GET", /clients/).delay("20s").reply(200, {});
  const began = clock.now().getTime();
  const c = await ring();
  await c.hears(/Таксопарк/);
  expect(clock.now().getTime() - began).toBeLessThan(4000);
  c.hangup();
});

test("after hours it is told when the office opens, and a missed caller becomes a task", async () => {
  const { calls } = office();
  await clock.to("22:00");
  const c = await ring();
  expect(await c.hears(/Офис откроется/)).toMatch(/девять/);
  c.press("3"); // nobody is on shift
  await c.hears(/перезвоним вам в рабочее время/);
  expect((await c.ended()).outcome).toBe("missed");
  await clock.pass("1m");
  expect(calls.requests[0].json).toMatchObject({ missed: "hiring" });
});

test("departments, and a caller who says nothing", async () => {
  office();
  let c = await ring();
  await c.hears(/Бухгалтерия/);
  c.press("4");
  await user("102").hears(/Вопрос бухгалтерии/);
  c.hangup();
  await c.ended();
  c = await ring("+79161112244");
  for (let i = 0; i < 3; i++) await c.hears(/Стать водителем/);
  await c.hears(/перезвоним/);
  expect((await c.ended()).tags).toEqual({ missed: "timeout" });
});
