import { callee, clock, expect, http, outbound, secrets, test, user } from "loopstart:test";

const ivan = "+79161112233";
const data = { name: "Иван", shift: "88", start: "09:30", place: "на Невском, 1", step: "загрузить фото медкнижки" };
const order = { script: "shift", to: ivan, data, attempts: 5, retry: { default: "10m" } };

function app(state = "waiting") {
  secrets.set("APP_URL", "https://app.example.ru");
  http.on("GET", "https://app.example.ru/shifts/88").reply(200, { state });
  http.on("POST", "https://app.example.ru/calls").reply(204);
  return http.on("POST", "https://app.example.ru/shifts/88").reply(204);
}

test("a key confirms the shift, and the app knows at once", async () => {
  const told = app();
  const c = await outbound(order);
  const words = await c.hears(/нажмите один/);
  expect(words).toMatch(/Доброе утро, Иван! Ваша смена на Невском, 1 начинается в девять (часов )?тридцать/);
  c.press("1");
  await c.hears(/Хорошей смены/);
  expect(told.requests[0].json).toEqual({ state: "coming" });
  expect((await c.ended()).outcome).toBe("delivered");
});

test("whoever presses nothing is called again, until a key is pressed", async () => {
  const told = app();
  const c = await outbound(order);
  for (let i = 0; i < 3; i++) await c.hears(/нажмите один/); // the menu asks three times
  expect((await c.ended()).outcome).toBe("answered_short");
  await c.hears(/нажмите один/, { within: "15m" });
  c.press("2");
  const record = await c.ended();
  expect(record.attempt).toBe(2);
  expect(record.final).toBe(true);
  expect(told.requests[0].json).toEqual({ state: "cancelled" });
});

test("one cap holds for all attempts", async () => {
  app();
  callee.ringsOut();
  const c = await outbound({ ...order, attempts: 3, timeout: "20s" });
  for (const last of [false, false, true]) expect((await c.ended()).final).toBe(last);
  expect(c.records).toHaveLength(3);
});

test("whoever took the step in the app is not woken", async () => {
  app("confirmed");
  const c = await outbound(order);
  const record = await c.ended();
  expect([record.outcome, record.cause]).toEqual(["not_called", "done in the app"]);
});

test("an app that is down wakes the worker all the same, and loses nothing", async () => {
  app();
  http.on("GET", "https://app.example.ru/shifts/88").fails("down");
  const up = http.on("POST", "https://app.example.ru/shifts/88").reply(204);
  http.on("POST", "https://app.example.ru/shifts/88").reply(503).times(1);
  const c = await outbound(order);
  await c.hears(/нажмите один/);
  c.press("1");
  await c.hears(/Хорошей смены/);
  expect(up.requests).toHaveLength(0);
  await clock.pass("1m");
  expect(up.requests[0].json).toEqual({ state: "coming" });
});

test("the dispatcher hears who it is, or the worker is told", async () => {
  app();
  let c = await outbound(order);
  await c.hears(/Доброе утро/);
  c.press("0");
  await user("101").hears(/Смена 88, Иван/);
  c.hangup();
  expect((await c.ended()).result).toEqual({ shift: "88", choice: "dispatcher" });
  user.ringsOut();
  c = await outbound({ ...order, to: "+79161112244" });
  await c.hears(/Доброе утро/);
  c.press("0");
  await c.hears(/Диспетчер занят/);
});
