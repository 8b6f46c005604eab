import { kv, secrets, webhook } from "loopstart:core";
import type { Call, CallRecord } from "loopstart:call";

export const config = {
  language: "ru-RU",
  // From when on the customer counts as informed.
  deliveredAfter: "6s",
  // The API refuses an order that lacks one of these; "?" makes it optional.
  data: { name: "string", order: "string", sum: "money", until: "date", address: "string?" },
};

export default async function (call: Call) {
  await call.answer(); // does nothing on an outbound call: it is answered already

  // A customer who missed our call rings back: tell the same thing.
  const order = call.data.order ? call.data : await kv.get("reminder:" + call.from.e164);
  if (!order) {
    await call.say("Здравствуйте! Мы звонили вам по поводу заказа.");
    return operator(call, "Клиент перезвонил, заказ не найден.");
  }

  const choice = await call.menu({
    prompt: [
      `${order.name}, здравствуйте! Ваш заказ`, { digits: order.order }, "на сумму", { money: order.sum, currency: "RUB" },
      order.address ? `ждёт вас по адресу: ${order.address},` : "ждёт вас", "до", { date: order.until, case: "gen" },
      "Чтобы подтвердить, нажмите один. Чтобы мы напомнили через час, нажмите два. Для связи с оператором нажмите ноль.",
    ],
    choices: { 1: "confirmed", 2: "later", 0: "operator" },
    repeat: "*",
    attempts: 2,
  });
  call.result = { order: order.order, choice: choice.value ?? "none" };

  if (choice.value === "confirmed") await call.say("Спасибо, мы вас ждём!");
  if (choice.value === "later") {
    await call.retry({ in: "1h" });
    await call.say("Хорошо, мы напомним через час.");
  }
  if (choice.value === "operator") await operator(call, `Заказ ${order.order}.`);
}

/** Connects with the group; the operator hears first what it is about. */
async function operator(call: Call, about: string) {
  await call.say("Соединяю с оператором.");
  const talk = await call.connect("sales", { timeout: "25s", whisper: about });
  if (talk.status !== "completed" && talk.status !== "abandoned") {
    await call.say("Все операторы заняты, мы вам перезвоним.");
    call.tag("callback", "wanted");
  }
}

/** Runs after every attempt, answered or not, until it returns. */
export async function afterCall(record: CallRecord) {
  if (record.direction === "outbound") {
    await kv.set("reminder:" + record.to, record.data, { ttl: "7d" });
  }
  const crm = secrets.get("CRM_URL");
  if (crm) await webhook.deliver(crm, { event: "reminder", ...record }, { key: record.order });
}
