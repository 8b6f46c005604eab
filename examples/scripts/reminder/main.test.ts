import { callee, clock, expect, http, inbound, kv, outbound, secrets, test, user } from "loopstart:test";

const ivan = "+79161112233";
const data = { name: "Иван", order: "1521", sum: "2340.50", until: "2026-01-20" };

test("1 confirms the order", async () => {
  const c = await outbound({ script: "reminder", to: ivan, data });
  await c.hears(/нажмите один/);
  c.press("1");
  await c.hears(/мы вас ждём/);
  const record = await c.ended();
  expect(record.outcome).toBe("delivered");
  expect(record.result).toEqual({ order: "1521", choice: "confirmed" });
  c.matchesSnapshot();
});

test("the order, the sum and the date are spoken", async () => {
  const c = await outbound({ script: "reminder", to: ivan, data: { ...data, address: "Невский, 1" } });
  const words = await c.hears(/для связи с оператором/i);
  expect(words).toMatch(/две тысячи триста сорок рублей пятьдесят копеек/);
  expect(words).toMatch(/по адресу: Невский, 1, до двадцатого января/);
  c.hangup();
  expect((await c.ended()).outcome).toBe("delivered"); // heard for more than six seconds
});

test("2 reminds again in an hour", async () => {
  const c = await outbound({ script: "reminder", to: ivan, data, attempts: 2 });
  await c.hears(/Иван/);
  c.press("2");
  await c.hears(/через час/);
  expect((await c.ended()).final).toBe(false);
  await clock.pass("50m");
  expect(c.records).toHaveLength(1);
  await c.hears(/Иван/, { within: "20m" });
  c.press("1");
  expect((await c.ended()).attempt).toBe(2);
});

test("0 connects with an operator, who hears what it is about", async () => {
  const c = await outbound({ script: "reminder", to: ivan, data });
  await c.hears(/Иван/);
  c.press("0");
  await c.hears(/Соединяю/);
  await user("101").hears(/Заказ 1521/);
  user("101").says("Здравствуйте, это отдел продаж");
  await c.hears(/отдел продаж/);
  c.hangup();
  expect((await c.ended()).result).toEqual({ order: "1521", choice: "operator" });
});

test("no operator is free", async () => {
  user.ringsOut();
  const c = await outbound({ script: "reminder", to: ivan, data });
  await c.hears(/Иван/);
  c.press("0");
  await c.hears(/мы вам перезвоним/);
  expect((await c.ended()).tags).toEqual({ callback: "wanted" });
});

test("a busy number is tried again, and the CRM hears of each attempt", async () => {
  secrets.set("CRM_URL", "https://crm.example.ru/hook");
  const crm = http.on("POST", /crm\.example\.ru/).reply(200);
  callee(ivan).busy({ times: 1 });
  const c = await outbound({ script: "reminder", to: ivan, data, attempts: 2, retry: { busy: "5m" } });
  expect((await c.ended()).outcome).toBe("busy");
  await clock.pass("5m");
  await c.hears(/нажмите один/);
  c.press("1");
  expect((await c.ended()).outcome).toBe("delivered");
  expect(crm.requests.map((r) => r.json.outcome)).toEqual(["busy", "delivered"]);
});

test("who missed the call and rings back is told the same", async () => {
  callee.ringsOut();
  const c = await outbound({ script: "reminder", to: ivan, data, timeout: "20s" });
  expect((await c.ended()).outcome).toBe("no_answer");
  expect(await kv.get("reminder:" + ivan)).toMatchObject({ order: "1521" });
  const back = await inbound({ to: "reminder", from: ivan });
  await back.hears(/Иван, здравствуйте/);
  await back.silent("1m");
  expect((await back.ended()).result).toEqual({ order: "1521", choice: "none" });
});

test("a stranger who rings back gets an operator", async () => {
  const c = await inbound({ to: "reminder", from: "+79990000000" });
  await c.hears(/Соединяю/);
  await user("101").hears(/Клиент перезвонил/);
  await c.silent("3s");
  c.hangup();
  expect((await c.ended()).outcome).toBe("talked");
});
