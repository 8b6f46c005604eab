import { kv, lock, log, secrets, sleep, webhook } from "loopstart:core";
import type { Call, CallRecord } from "loopstart:call";

export const config = { language: "ru-RU", record: true, fallback: [{ say: "Ошибка." }] };

export default async function (call: Call) {
  log("begin", Math.random().toFixed(6), crypto.randomUUID());
  await call.answer();
  call.on("digit", (e: { digit: string }) => log("digit", e.digit));
  const [a, b, n] = await Promise.all([
    fetch("https://api.example.ru/a").then((r) => r.json()),
    fetch("https://api.example.ru/b").then((r) => r.status),
    kv.increment("calls"),
  ]);
  log("fetched", a, b, n);
  await lock("one", async () => { await sleep("100ms"); });
  const choice = await call.menu({ prompt: ["Скажите", { number: n, gender: "f" }, "один или два"], choices: { 1: "one", 2: "two" }, attempts: 2, timeout: "3s" });
  call.tag("choice", choice.value ?? "none");
  void call.play("tone:425", { loop: true });
  await sleep("700ms");
  const talk = await call.connect("sales", { timeout: "15s", whisper: "Звонок", music: "tone:440/500ms" });
  call.result = { talk: talk.status, by: talk.answeredBy };
  await call.say("До свидания.");
}

export async function afterCall(record: CallRecord) {
  await sleep("2s");
  await webhook.deliver(secrets.get("HOOK"), { outcome: record.outcome, tags: record.tags }, { key: record.order });
}
