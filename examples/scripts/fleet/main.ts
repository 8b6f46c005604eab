import { caller, finishCall, lead, openCard, send } from "loopstart:bitrix24";
import { isOpen, nextOpen } from "loopstart:time";
import type { Call, CallRecord } from "loopstart:call";

export const config = { language: "ru-RU", record: true, fallback: [{ connect: "sales" }, { say: "Мы вам перезвоним." }] };

export default async function (call: Call) {
  await call.answer();
  const who = await caller(call, { timeout: "1500ms" }); // a slow CRM costs the greeting, not the call
  void openCard(call, { user: who.manager?.id });
  const manager = who.manager;
  if (manager?.target && manager.onShift) {
    await call.say(`Здравствуйте, ${who.name}! Соединяю с вашим менеджером.`);
    const talk = await call.connect(manager.target, { timeout: "20s", whisper: `Звонит ${who.name}` });
    call.result = { operator: manager.inner, talk: talk.status };
    if (talk.status === "completed" || talk.status === "abandoned") return;
  }
  await switchboard(call);
}

async function switchboard(call: Call) {
  const opens = isOpen("office") ? null : nextOpen("office");
  const choice = await call.menu({
    prompt: ["Таксопарк, здравствуйте!", ...(opens ? ["Офис откроется в", { time: opens }] : []), "Вызвать машину: один. Частые вопросы: два. Стать водителем: три."],
    choices: {
      1: () => people(call, "sales", "Новый заказ"),
      2: () => call.say("Подача пятнадцать минут. Оплата картой и наличными."),
      3: () => people(call, "hiring", "Новый водитель"),
    },
  });
  if (choice.reason !== "key") await missed(call, "ничего не выбрал");
}

/** Rings who is on shift: `hours` of the group say when that is. */
async function people(call: Call, group: string, about: string) {
  const talk = await call.connect(group, { timeout: "25s", whisper: about });
  call.result = { operator: talk.answeredBy, talk: talk.status };
  if (talk.status !== "completed" && talk.status !== "abandoned") await missed(call, about);
}

async function missed(call: Call, about: string) {
  call.tag("missed", about); // afterCall makes a task of it
  await call.say("Мы перезвоним вам в рабочее время. До свидания!");
}

/** Runs again until it returns: while the portal is away, lead() rejects and nothing is lost or done twice. */
export async function afterCall(record: CallRecord) {
  if (!record.from.startsWith("+")) return;
  const client = await lead({ phone: record.from, title: "Звонок в таксопарк", source: "CALL" });
  await finishCall(record, { inner: record.result?.operator, entity: { type: client.type, id: client.id } });
  const about = record.tags?.missed;
  if (about) await send("tasks.task.add", { fields: { TITLE: `Перезвонить ${record.from}: ${about}`, RESPONSIBLE_ID: 1 } }, { key: record.from });
}
