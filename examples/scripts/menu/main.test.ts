import { clock, expect, http, inbound, secrets, test, user } from "loopstart:test";

// Tests begin on a Monday at 10:00, when the office is open. A number of the
// routes would do as well as the script's name.
const menu = "menu";

test("1 connects with the sales department", async () => {
  const c = await inbound({ to: menu });
  await c.hears(/нажмите один/);
  c.press("1");
  await user("101").answered();
  user("101").says("Отдел продаж, добрый день");
  await c.hears(/добрый день/);
  c.says("Хочу заказать");
  await user("101").hears(/заказать/);
  user("101").hangup();
  const record = await c.ended();
  expect(record.result).toEqual({ menu: "sales", talk: "completed" });
  expect(record.tags).toEqual({ menu: "sales" });
});

test("2 tells the address", async () => {
  const c = await inbound({ to: menu });
  await c.hears(/нажмите два/);
  c.press("2");
  await c.hears(/Невский проспект/);
  expect((await c.ended()).outcome).toBe("served");
});

test("an extension rings that operator", async () => {
  const c = await inbound({ to: menu });
  await c.hears(/Здравствуйте/);
  c.press("101");
  await user("101").answered();
  c.hangup();
  expect((await c.ended()).outcome).toBe("talked");
});

test("the star says everything again, a wrong key is told", async () => {
  const c = await inbound({ to: menu });
  await c.hears(/звёздочку/);
  c.press("*");
  await c.hears(/звёздочку/);
  c.press("7");
  await c.hears(/Такого пункта нет/);
  c.hangup();
  expect((await c.ended()).ended_by).toBe("caller");
});

test("when all are busy, a message reaches the CRM", async () => {
  secrets.set("CRM_URL", "https://crm.example.ru/hook");
  const crm = http.on("POST", "https://crm.example.ru/hook").reply(200);
  user.busy();
  const c = await inbound({ to: menu, from: "+79161112233" });
  await c.hears(/нажмите один/);
  c.press("1");
  await c.hears(/все заняты/);
  await c.hears(/после сигнала/);
  await c.hears("beep");
  await c.says("Перезвоните мне, пожалуйста, завтра утром");
  await c.hears(/Спасибо/);
  const record = await c.ended();
  expect(record.result.message).toBe(record.id);
  expect(crm.requests).toHaveLength(1);
  expect(crm.requests[0].json).toMatchObject({ event: "message", phone: "+79161112233", call: record.id });
});

test("after hours the caller hears when the office opens", async () => {
  await clock.to("20:00");
  const c = await inbound({ to: menu });
  await c.hears(/Сейчас мы не работаем/);
  await c.hears(/тринадцатого января/);
  await c.hears(/после сигнала/);
  await c.silent("1m");
  expect((await c.ended()).outcome).toBe("served");
});
