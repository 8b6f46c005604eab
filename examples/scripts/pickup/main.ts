import { schedule, stopList } from "loopstart:campaign";
import { finishCall, order, trigger, updateOrder } from "loopstart:retailcrm";
import type { Call, CallRecord, HookRequest } from "loopstart:call";

export const config = {
  language: "ru-RU",
  deliveredAfter: "6s", // from here on it counts as answered
  hook: { rate: "10/s" },
  data: { number: "string", name: "string", sum: "money", carrier: "string?", address: "string?", until: "date?" },
};

/** The trigger "arrived at the pick-up point": /v1/hooks/pickup, with its fields as form, query or JSON. */
export async function onRequest(request: HookRequest) {
  const { phone, ...data } = trigger(request);
  if (!phone || !data.number) return { status: 422, body: "phone or number is missing" };
  const retry = { busy: "5m", no_answer: "15m", answered_short: "1h", default: "1h" }; // one cap for all of them
  return schedule({ script: "pickup", to: String(phone), key: `pickup-${data.number}`, data, window: "09:00-21:00", attempts: 3, retry });
}

/** Right before each dial. While RetailCRM is away, order() rejects: the dial waits, it is never made blindly. */
export async function beforeAttempt({ data }: { data: Record<string, string> }) {
  const now = await order({ number: data.number });
  if (!now || ["complete", "cancel-other"].includes(now.status)) return { skip: `the order is ${now?.status ?? "gone"}` };
}

export default async function (call: Call) {
  await call.answer();
  const { number, name, sum, carrier, address, until } = call.data;
  const choice = await call.menu({
    prompt: [
      `${name}, здравствуйте! ${carrier ?? "Магазин"}: заказ`, { digits: number }, address ? `ждёт вас по адресу: ${address}.` : "ждёт вас.",
      "К оплате", { money: sum, currency: "RUB" }, ...(until ? ["Храним до", { date: until, case: "gen" as const }] : []),
      "Повторить: звёздочка. Оператор: ноль. Больше не звонить: девять.",
    ],
    choices: { 0: "operator", 9: "never" },
    repeat: "*",
    attempts: 1,
  });
  call.result = { choice: choice.value ?? "listened" };
  if (choice.value === "operator") {
    const talk = await call.connect("sales", { timeout: "25s", whisper: ["Заказ", { digits: number }] });
    call.result = { choice: "operator", operator: talk.answeredBy };
    if (talk.status !== "completed") await call.say("Все операторы заняты, мы перезвоним.");
  } else if (choice.value === "never") {
    await stopList.add(call.remote.e164!, { reason: "asked in the call" });
    await call.say("Хорошо, больше не позвоним.");
  } else {
    await call.say("Ждём вас, до свидания!");
  }
}

/** Every attempt: into the order's own fields, and into the history of calls. */
export async function afterCall(record: CallRecord) {
  const customFields = { call_result: record.result?.choice ?? record.outcome, call_heard: record.heard.percent, call_attempt: record.attempt };
  await updateOrder({ number: record.data.number }, { customFields });
  await finishCall(record, { code: record.result?.operator });
}
