import { expect, http, inbound, secrets, test, user } from "loopstart:test";

test("an operator takes the call with 1 and is rated", async () => {
  user.ringsOut(); // all but 101
  user("101").answers();
  const c = await inbound({ to: "support", from: "+79161112233" });
  await c.hears(/Соединяю/);
  await c.hears("music.wav");
  await user("101").hears(/Чтобы ответить/);
  user("101").press("1");
  user("101").says("Слушаю вас");
  await c.hears(/Слушаю/);
  user("101").hangup();
  await c.hears(/Оцените разговор/);
  c.press("5");
  await c.hears(/Спасибо/);
  const record = await c.ended();
  expect(record.tags).toEqual({ mark: "5" });
  expect(record.result).toEqual({ talk: "completed", operator: "101" });
  expect(record.recording).toBe(record.id);
});

test("the operator hears who calls", async () => {
  const c = await inbound({ to: "support", from: "+79161112233" });
  expect(await user("101").hears(/Звонит/)).toMatch(/девятьсот шестнадцать/);
  c.hangup();
  expect((await c.ended()).outcome).toBe("missed");
});

test("a voice mail never takes the call", async () => {
  user.machine("Абонент не отвечает, оставьте сообщение");
  const c = await inbound({ to: "support" });
  await c.hears(/Все операторы заняты/);
  c.hangup();
  expect((await c.ended()).result).toEqual({ talk: "rejected", operator: null });
});

for (const [key, wants] of [["1", "callback"], ["2", "message"]]) {
  test(`nobody is there: ${key} leaves a ${wants}`, async () => {
    secrets.set("CRM_URL", "https://crm.example.ru/hook");
    http.on("POST", "https://crm.example.ru/hook").reply(503).times(1);
    const crm = http.on("POST", "https://crm.example.ru/hook").reply(200);
    user.offline();
    const c = await inbound({ to: "support", from: "+79161112233" });
    await c.hears(/Все операторы заняты/);
    c.press(key);
    if (wants === "message") {
      await c.hears("beep");
      await c.says("Не работает телефон");
    }
    expect((await c.ended()).result).toMatchObject({ talk: "missed", wants });
    expect(crm.requests[0].json).toMatchObject({ event: "support", wants });
  });
}

test("who calls anonymously is asked for a number", async () => {
  user.offline();
  const c = await inbound({ to: "support", from: "anonymous" });
  await c.hears(/Все операторы заняты/);
  c.press("1");
  await c.hears(/Наберите ваш номер/);
  c.press("89161112233#");
  await c.hears(/Мы перезвоним/);
  expect((await c.ended()).result).toMatchObject({ wants: "callback", phone: "89161112233" });
});
