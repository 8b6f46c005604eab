import { kv, secrets, webhook } from "loopstart:core";
import { zone } from "loopstart:phone";
import { zones } from "loopstart:time";
import type { Call, CallRecord } from "loopstart:call";

export const config = {
  language: "ru-RU",
  deliveredAfter: "key", // a voice mail that was spoken to is no worker who is awake
  data: { name: "string", shift: "string", start: "time", place: "string", step: "string?" },
};

/** Before each dial: whoever took the step in the app meanwhile is not woken. */
export async function beforeAttempt({ data }: { data: Record<string, string> }) {
  if (await kv.get("shift:" + data.shift)) return { skip: "confirmed already" };
  const url = secrets.get("APP_URL");
  if (!url) return;
  const asked = fetch(`${url}/shifts/${data.shift}`, { signal: AbortSignal.timeout(3000) });
  const state = await asked.then((answer) => answer.json()).catch(() => undefined); // better woken twice than not at all
  if (state && state.state !== "waiting") return { skip: "done in the app" };
}

export default async function (call: Call) {
  await call.answer();
  const { name, shift, start, place, step } = call.data;
  const { hour } = zones.local(zone(call.remote.e164 ?? "")); // the worker's own morning
  const hello = hour < 11 ? "Доброе утро" : hour < 18 ? "Добрый день" : "Добрый вечер";
  const choice = await call.menu({
    prompt: [`${hello}, ${name}! Ваша смена`, place, "начинается в", { time: start }, step ? `Осталось: ${step}.` : "",
             "Если вы придёте, нажмите один. Если не сможете, нажмите два. Для связи с диспетчером нажмите ноль."].filter(Boolean),
    choices: { 1: "coming", 2: "cancelled", 0: "dispatcher" },
    repeat: "*",
  });
  call.result = { shift, choice: choice.value ?? "none" };
  switch (choice.value) {
    case "coming":
    case "cancelled":
      await tell(shift, choice.value);
      await call.say(choice.value === "coming" ? "Спасибо, отметили. Хорошей смены!" : "Поняли, снимаем вас со смены.");
      break;
    case "dispatcher": {
      const talk = await call.connect("sales", { timeout: "25s", whisper: `Смена ${shift}, ${name}` });
      if (talk.status !== "completed") await call.say("Диспетчер занят. Мы перезвоним.");
      break;
    }
    default:
      await call.say("Мы вас не услышали и позвоним ещё раз.");
  }
}

/** The app hears of it at once; if it is down, as soon as it is back. */
async function tell(shift: string, state: string) {
  await kv.set("shift:" + shift, state, { ttl: "1d" });
  const url = secrets.get("APP_URL");
  if (url) await webhook.deliver(`${url}/shifts/${shift}`, { state }, { key: shift });
}

export async function afterCall(record: CallRecord) {
  const url = secrets.get("APP_URL");
  if (url) await webhook.deliver(url + "/calls", { id: record.id, to: record.to, outcome: record.outcome, heard: record.heard, result: record.result }, { key: record.order });
}
