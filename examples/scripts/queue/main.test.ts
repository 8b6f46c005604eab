import { callee, clock, inbound, kv, test, user } from "loopstart:test";
import { agent, queue } from "loopstart:call";

test("callers are served in the order in which they came, buyers first", async () => {
  user("102").offline();
  await kv.set("buyer/+79160000003", true);
  const first = await inbound({ to: "queue", from: "+79160000001" });
  await first.hears(/Вы первый в очереди/);
  await user("101").hears(/Новый клиент Нажмите один/);
  user("101").press("1");
  await clock.pass("2s");
  const second = await inbound({ to: "queue", from: "+79160000002" });
  await second.hears(/Вы первый в очереди/);
  const buyer = await inbound({ to: "queue", from: "+79160000003" });
  await buyer.hears(/Вы первый в очереди/);
  await second.hears(/Вы второй в очереди/, { within: "2m" });
  first.hangup();
  await user("101").hears(/Покупатель/);
  user("101").press("1");
  user("101").says("Слушаю вас");
  await buyer.hears(/Слушаю вас/);
  user("101").hangup();
  await buyer.hears(/Спасибо за звонок/);
  const record = await buyer.ended();
  if (record.outcome !== "talked" || record.queue.answered_by !== "101") throw new Error(JSON.stringify(record));
  await user("101").hears(/Новый клиент/, { within: "1m" }); // after its rest
  second.hangup();
  if ((await second.ended()).outcome !== "missed") throw new Error("the second was not served");
});

test("an agent who does not answer is put aside, the other one is rung", async () => {
  user("101").ringsOut();
  const c = await inbound({ to: "queue" });
  await user("101").rings();
  await user("102").rings({ within: "21s" });
  await user("102").hears(/Нажмите один/);
  user("102").press("1");
  user("102").says("Алло");
  await c.hears(/Алло/);
  const { state, reason } = await agent("101").state();
  if (state !== "aside" || reason !== "did not answer") throw new Error(state + " " + reason);
});

test("the music goes on where an announcement has cut it, and an agent cuts both", async () => {
  user("101").offline();
  user("102").ringsOut({ times: 2 });
  const c = await inbound({ to: "queue" });
  await c.hears(/первый/);
  await c.hears(/music.wav/);
  await c.hears(/первый/, { within: "46s" });
  await c.hears(/music.wav/);
  await user("102").hears(/Нажмите/, { within: "2m" });
  user("102").press("1");
  user("102").says("Алло");
  await c.hears(/Алло/);
});

test("one keeps the place for a call-back: an agent is rung, then the person", async () => {
  await agent("101").away();
  await agent("102").away();
  const first = await inbound({ to: "queue", from: "+79160000001" });
  await first.hears(/первый/);
  const second = await inbound({ to: "queue", from: "+79160000002" });
  await second.hears(/второй/);
  first.press("1");
  await first.hears(/Мы вам перезвоним/);
  await first.ended();
  const { waiting } = await queue("line").state();
  if (!waiting[0].callback || waiting[0].from !== "+7916***0001" || waiting.length !== 2) throw new Error(JSON.stringify(waiting));
  await agent("102").ready();
  await user("102").hears(/Обратный звонок/);
  const person = callee("+79160000001");
  await person.answered();
  user("102").says("Вы просили перезвонить");
  await person.hears(/Вы просили перезвонить/);
  person.hangup();
  await user("102").hears(/Новый клиент/, { within: "1m" });
});

test("a person who does not answer is called back once more", async () => {
  const person = callee("+79160000001");
  person.busy({ times: 1 });
  await agent("101").away();
  await agent("102").away();
  const c = await inbound({ to: "queue", from: "+79160000001" });
  await c.hears(/первый/);
  c.press("1");
  await c.ended();
  await agent("101").ready();
  await person.rings({ within: "1m" });
  await clock.pass("11m");
  await person.answered();
  await user("101").hangup();
  await clock.pass("1m");
  if ((await queue("line").state()).counts.callbacks !== 1) throw new Error("no call-back");
});

test("outside of the hours nobody waits; the place is kept until we open", async () => {
  await clock.to("2026-01-17 12:00"); // a Saturday
  const c = await inbound({ to: "queue", from: "+79160000001" });
  await c.hears(/Мы работаем по будням/);
  await c.hears(/Мы вам перезвоним/);
  await c.ended();
  await clock.to("2026-01-19 09:01");
  await callee("+79160000001").answered({ within: "2m" });
});

test("after ten minutes the place is kept", async () => {
  await agent("101").away();
  await agent("102").away();
  const c = await inbound({ to: "queue" });
  await c.hears(/первый/);
  await c.hears(/Мы вам перезвоним/, { within: "11m" });
  const record = await c.ended();
  if (record.queue.status !== "timeout" || record.queue.wait_ms !== 600000) throw new Error(JSON.stringify(record.queue));
});

test("an agent begins and ends its shift by phone", async () => {
  const c = await inbound({ to: "agents", user: "101" });
  await c.hears(/Нажмите один/);
  c.press("0");
  await c.hears(/Смена закончена/);
  if ((await agent("101").state()).state !== "away") throw new Error("still there");
});
