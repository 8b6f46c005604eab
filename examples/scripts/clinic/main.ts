import { campaigns, stopList } from "loopstart:campaign";
import { secrets, webhook } from "loopstart:core";
import type { Call, CallRecord } from "loopstart:call";

export const config = {
  language: "ru-RU",
  deliveredAfter: "key", // heard is not enough: somebody has to say whether they come
  data: { name: "string", doctor: "string", day: "date", time: "time" },
};

/** Three calls at most, in the patient's own daytime. */
const rules = {
  script: "clinic",
  attempts: 3,
  retry: { busy: "5m", no_answer: "30m", answered_short: "1h", default: "1h" },
  window: "10:00-20:00",
  maxCalls: 20,
  stopWhen: { answerRate: { min: 0.1 } }, // the list or the trunk is wrong: a person has to look
};

/** The clinic's system posts tomorrow's visits: [{id, phone, name, doctor, day, time}]. */
export async function onRequest(request: { headers: Headers; json: { visits: Record<string, string>[] } }) {
  const token = secrets.get("CLINIC_TOKEN");
  if (!token || request.headers.get("authorization") !== "Bearer " + token) return { status: 401 };
  const { visits } = request.json;
  const { id } = await campaigns.create({ ...rules, name: "visits " + visits[0].day });
  const report = await campaigns.add(id, visits.map(({ id, phone, ...data }) => ({ key: id, phone, data })));
  await campaigns.start(id);
  return { id, accepted: report.accepted, rejected: report.rejected };
}

export default async function (call: Call) {
  await call.answer();
  const { name, doctor, day, time } = call.data;
  const choice = await call.menu({
    prompt: [`Здравствуйте, ${name}! Вы записаны к врачу`, doctor, "на", { date: day, case: "acc" }, "в", { time },
             "Если придёте, нажмите один. Чтобы отменить запись, нажмите два. Чтобы мы больше не звонили, нажмите девять."],
    choices: { 1: "comes", 2: "cancelled", 9: "stop" },
    repeat: "*",
  });
  call.result = { choice: choice.value ?? "none" };
  switch (choice.value) {
    case "comes":
      await call.say("Спасибо, ждём вас!");
      break;
    case "cancelled":
      await call.say("Запись отменена.");
      break;
    case "stop":
      if (call.remote.e164) await stopList.add(call.remote.e164, { reason: "asked in a reminder" });
      await call.say("Хорошо, звонить не будем.");
      break;
    default: await call.say("Мы вас не услышали и позвоним ещё раз.");
  }
}

export async function afterCall(record: CallRecord) {
  const url = secrets.get("CLINIC_URL");
  if (url) await webhook.deliver(`${url}/visits/${record.key}`, { outcome: record.outcome, final: record.final, ...record.result }, { key: record.key });
}
