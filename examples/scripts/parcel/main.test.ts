import { callee, clock, expect, hook, http, outbound, secrets, test, user } from "loopstart:test";

const vika = "+79161112233";
const data = { event: "arrived", name: "Виктория", order: "4031", sum: "1521,50", carrier: "Курьерская служба", address: "Лиговский, 10", until: "31.01.2026" };
const order = { script: "parcel", to: vika, data, attempts: 3, retry: { busy: "5m", answered_short: "1h", default: "15m" } };

function shop() {
  secrets.set("SHOP_URL", "https://shop.example.ru");
  return http.on("POST", "https://shop.example.ru/orders/4031/calls").reply(200);
}

test("name, carrier, address, sum and date are spoken, and the shop gets the result", async () => {
  const told = shop();
  const c = await outbound(order);
  const words = await c.hears(/Связаться с оператором/);
  expect(words).toMatch(/Виктория, здравствуйте! Курьерская служба доставил заказ/);
  expect(words).toMatch(/одна тысяча пятьсот двадцать один рубль пятьдесят копеек/);
  expect(words).toMatch(/до тридцать первого января/);
  expect((await c.ended()).outcome).toBe("delivered");
  await clock.pass("1m");
  expect(told.requests[0].json).toMatchObject({ order: "4031", outcome: "delivered", heard: 100, key: "" });
});

test("an unpaid invoice", async () => {
  shop();
  const c = await outbound({ ...order, data: { event: "unpaid", name: "Виктория", order: "4031", sum: "1521" } });
  expect(await c.hears(/ещё не оплачен/)).toMatch(/на одну тысячу пятьсот двадцать один рубль/);
  c.press("*"); // once more
  await c.hears(/ещё не оплачен/);
  c.hangup();
  expect((await c.ended()).outcome).toBe("delivered");
});

test("each outcome has its own pause, under one cap", async () => {
  const told = shop();
  callee(vika).busy({ times: 1 });
  callee(vika).ringsOut({ times: 1 });
  const c = await outbound({ ...order, timeout: "20s" });
  const began = clock.now().getTime();
  expect((await c.ended()).outcome).toBe("busy");
  expect((await c.ended()).outcome).toBe("no_answer");
  await c.hears(/здравствуйте/, { within: "30m" });
  expect(clock.now().getTime() - began).toBeGreaterThan(20 * 60_000);
  c.hangup(); // after two words
  const last = await c.ended();
  expect([last.outcome, last.attempt, last.final]).toEqual(["answered_short", 3, true]);
  await clock.pass("1m");
  expect(told.requests.map((r) => r.json.outcome)).toEqual(["busy", "no_answer", "answered_short"]);
});

test("0 connects with an operator who hears the order", async () => {
  shop();
  const c = await outbound(order);
  await c.hears(/здравствуйте/);
  c.press("0");
  await user("101").hears(/Заказ/);
  c.hangup();
  expect((await c.ended()).result).toEqual({ order: "4031", key: "0" });
});

test("9 is never called again", async () => {
  shop();
  let c = await outbound(order);
  await c.hears(/здравствуйте/);
  c.press("9");
  await c.hears(/больше не позвоним/);
  expect((await c.ended()).final).toBe(true);
  c = await outbound(order);
  expect((await c.ended()).cause).toBe("asked not to be called");
});

test("an order that was closed meanwhile is not called", async () => {
  shop();
  expect(await hook("parcel", { path: "/closed", query: { order: 4031 } })).toMatchObject({ status: 200, json: { closed: "4031" } });
  const c = await outbound(order);
  expect((await c.ended()).cause).toBe("closed meanwhile");
});

test("the hook takes JSON, a form and a query, and nothing else", async () => {
  shop();
  expect((await hook("parcel", { json: { order: "1" } })).json).toEqual({ closed: "1" });
  expect((await hook("parcel", { form: { order: 2 } })).json).toEqual({ closed: "2" });
  expect((await hook("parcel")).status).toBe(422);
});
