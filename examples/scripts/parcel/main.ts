import { kv, secrets, webhook } from "loopstart:core";
import type { Call, CallRecord, HookRequest } from "loopstart:call";

export const config = {
  language: "ru-RU",
  deliveredAfter: "6s", // from here on it counts as answered
  data: { event: "string", name: "string", order: "string", sum: "money", carrier: "string?", address: "string?", until: "date?" },
};

/** Before each dial: who asked not to be called, or has paid meanwhile, is left alone. */
export async function beforeAttempt({ to, data }: { to: string; data: Record<string, string> }) {
  if (await kv.get("never:" + to)) return { skip: "asked not to be called" };
  if (await kv.get("closed:" + data.order)) return { skip: "closed meanwhile" };
}

export default async function (call: Call) {
  await call.answer();
  const { event, name, order, sum, carrier, address, until } = call.data;
  const arrived = [carrier ?? "Ваш заказ", "доставил заказ", { digits: order }, address ? `по адресу: ${address}.` : ".", "К оплате", { money: sum, currency: "RUB" }];
  const unpaid = ["Счёт за заказ", { digits: order }, "на", { money: sum, currency: "RUB", case: "acc" as const }, "ещё не оплачен"];
  const choice = await call.menu({
    prompt: [
      `${name}, здравствуйте!`, ...(event === "arrived" ? arrived : unpaid), ...(until ? [", мы храним его до", { date: until, case: "gen" as const }] : []),
      "Прослушать ещё раз: звёздочка. Связаться с оператором: ноль. Больше не звонить: девять.",
    ],
    choices: { 0: "operator", 9: "never" },
    repeat: "*",
    attempts: 1,
  });
  call.result = { order, key: choice.key };
  if (choice.value === "operator") {
    const talk = await call.connect("sales", { timeout: "25s", whisper: ["Заказ", { digits: order }] });
    if (talk.status !== "completed") await call.say("Все операторы заняты, мы перезвоним.");
  } else if (choice.value === "never") {
    await kv.set("never:" + call.to.e164, true);
    await call.retry({ never: true });
    await call.say("Хорошо, больше не позвоним.");
  } else {
    await call.say("Ждём вас, до свидания!");
  }
}

/** The shop tells that an order is paid or taken: POST /v1/hooks/parcel/closed, as JSON, form or query. */
export async function onRequest({ json, form, query }: HookRequest) {
  const order = json?.order ?? form?.order ?? query.order;
  if (!order) return { status: 422, headers: {}, body: "order is missing" };
  await kv.set("closed:" + order, true, { ttl: "30d" });
  return { closed: order };
}

/** What the shop writes into the order's own field. */
export async function afterCall({ id, data, outcome, heard, result, talk_ms }: CallRecord) {
  const shop = secrets.get("SHOP_URL");
  const told = { id, order: data.order, outcome, heard: heard.percent, seconds: Math.round(talk_ms / 1000), key: result?.key ?? "" };
  if (shop) await webhook.deliver(`${shop}/orders/${data.order}/calls`, told, { key: data.order });
}
