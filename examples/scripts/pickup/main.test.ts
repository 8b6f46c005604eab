import { callee, clock, expect, hook, retailcrm, test, user } from "loopstart:test";

const vika = "+79161112233";
const fields = { number: "4031", phone: "8 916 111-22-33", name: "Виктория", sum: "1521,50", carrier: "Курьерская служба", address: "Лиговский, 10", until: "31.01.2026" };
const shop = (status = "delivered") => retailcrm.add("order", { number: "4031", status, phone: vika });
const field = (name: string) => retailcrm.all("order")[0].customFields[name];

for (const how of ["form", "query", "json"]) {
  test(`a trigger as ${how} becomes a call, and its result a field of the order`, async () => {
    shop();
    expect((await hook("pickup", { [how]: fields })).status).toBe(200);
    const words = await callee(vika).hears(/Больше не звонить/);
    expect(words).toMatch(/Виктория, здравствуйте! Курьерская служба: заказ/);
    expect(words).toMatch(/одна тысяча пятьсот двадцать один рубль пятьдесят копеек/);
    expect(words).toMatch(/до тридцать первого января/);
    await callee(vika).hears(/Ждём вас/);
    await clock.pass("1m");
    expect([field("call_result"), field("call_heard")]).toEqual(["listened", 100]);
    expect(retailcrm.all("call")[0]).toMatchObject({ phone: vika, type: "out", result: "answered" });
  });
}

test("the same trigger twice is one call, and one without a number is refused", async () => {
  shop();
  expect((await hook("pickup", { form: { name: "x" } })).status).toBe(422);
  const first = await hook("pickup", { form: fields });
  expect((await hook("pickup", { json: fields })).json.id).toBe(first.json.id);
});

test("busy, then nobody, then heard: each with its own pause, all told", async () => {
  shop();
  callee(vika).busy({ times: 1 });
  callee(vika).ringsOut({ times: 1 });
  await hook("pickup", { form: fields });
  await clock.pass("4m");
  expect(field("call_result")).toBe("busy");
  await callee(vika).hears(/Ждём вас/, { within: "40m" });
  await clock.pass("1m");
  expect(retailcrm.all("call").map((c) => c.result)).toEqual(["busy", "no answer", "answered"]);
  expect(field("call_attempt")).toBe(3);
});

test("an order that was taken meanwhile is not called about", async () => {
  shop("complete");
  await hook("pickup", { form: fields });
  await callee(vika).hearsNothing({ for: "10m" });
});

test("0 brings an operator, who is named in the history of calls", async () => {
  shop();
  user("102").offline();
  await hook("pickup", { form: fields });
  await callee(vika).hears(/здравствуйте/);
  callee(vika).press("0");
  await user("101").hears(/Заказ/);
  await clock.pass("10s"); // they talk
  user("101").hangup();
  await clock.pass("1m");
  expect(field("call_result")).toBe("operator");
  expect(retailcrm.all("call")[0]).toMatchObject({ code: "101", result: "answered" });
});

test("9 is the stop-list: no trigger calls again", async () => {
  shop();
  await hook("pickup", { form: fields });
  await callee(vika).hears(/здравствуйте/);
  callee(vika).press("9");
  await callee(vika).hears(/больше не позвоним/);
  await clock.pass("2h");
  await hook("pickup", { form: { ...fields, number: "4032" } });
  await callee(vika).hearsNothing({ for: "5m" });
  expect(retailcrm.all("call").filter((c) => c.result === "answered")).toHaveLength(1);
});

test("while RetailCRM is away nobody is called blindly, and then nothing is lost", async () => {
  shop();
  retailcrm.down("1h");
  await hook("pickup", { form: fields });
  await callee(vika).hearsNothing({ for: "50m" });
  await callee(vika).hears(/Ждём вас/, { within: "40m" });
  await clock.pass("1m");
  expect(field("call_result")).toBe("listened");
});
