import { bitrix24, clock, expect, inbound, test, user } from "loopstart:test";

const ivan = "+79161112233";
const client = (shift = "OPENED") => {
  bitrix24.add("user", { NAME: "Борис", UF_PHONE_INNER: "102", PERSONAL_MOBILE: "+79160000002", SHIFT: shift });
  bitrix24.add("contact", { name: "Иван", phone: ivan, assignedById: 2 });
};

test("a client talks to the manager who is on shift, and the card has it all", async () => {
  client();
  const c = await inbound({ to: "fleet", from: ivan });
  await c.hears(/Здравствуйте, Иван/);
  await user("102").hears(/Звонит Иван/);
  await user("102").hangup();
  await c.ended();
  await clock.pass("1m");
  expect(bitrix24.all("call")).toHaveLength(1);
  expect(bitrix24.all("call")[0]).toMatchObject({ PHONE_NUMBER: ivan, USER_ID: 2, CRM_ENTITY_TYPE: "CONTACT", finished: true, STATUS_CODE: "200" });
  expect(bitrix24.all("call")[0].record).toMatch(/wav$/);
  expect(bitrix24.all("lead")).toHaveLength(0);
});

test("a manager off shift is not disturbed", async () => {
  client("CLOSED");
  const c = await inbound({ to: "fleet", from: ivan });
  await c.hears(/Вызвать машину/);
  c.press("1");
  await user("101").hears(/Новый заказ/);
  c.hangup();
  await c.ended();
});

test("ten first calls of one number at once make one lead", async () => {
  user.offline();
  const calls = [];
  for (let i = 0; i < 10; i++) calls.push(await inbound({ to: "fleet", from: "+79995556677" }));
  for (const c of calls) {
    await c.hears(/Вызвать машину/);
    c.hangup();
  }
  for (const c of calls) await c.ended();
  await clock.pass("5m");
  expect(bitrix24.all("lead")).toHaveLength(1);
  expect(bitrix24.all("call")).toHaveLength(10);
});

test("whom nobody answered gets a task", async () => {
  user.offline();
  const c = await inbound({ to: "fleet", from: ivan });
  await c.hears(/Стать водителем/);
  c.press("3");
  await c.hears(/Мы перезвоним/);
  expect((await c.ended()).outcome).toBe("missed");
  await clock.pass("1m");
  expect(bitrix24.all("task")[0].TITLE).toBe(`Перезвонить ${ivan}: Новый водитель`);
  expect(bitrix24.all("call")[0].STATUS_CODE).toBe("304");
});

test("a portal that is away for an hour keeps nobody waiting and loses nothing", async () => {
  bitrix24.down("1h");
  const c = await inbound({ to: "fleet", from: ivan });
  await c.hears(/Частые вопросы/);
  c.press("2");
  await c.hears(/Подача пятнадцать минут/);
  await c.ended();
  expect(bitrix24.all("call")).toHaveLength(0);
  await clock.pass("4h");
  expect(bitrix24.all("lead")).toHaveLength(1);
  expect(bitrix24.all("call")).toHaveLength(1);
  expect(bitrix24.all("call")[0]).toMatchObject({ finished: true, STATUS_CODE: "200", CRM_ENTITY_TYPE: "LEAD", CRM_ENTITY_ID: 1 });
});

test("a slow portal costs a second and a half", async () => {
  client();
  bitrix24.slow("20s");
  const began = clock.now().getTime();
  const c = await inbound({ to: "fleet", from: ivan });
  await c.hears(/Таксопарк/);
  expect(clock.now().getTime() - began).toBeLessThan(5000);
  c.hangup();
});
