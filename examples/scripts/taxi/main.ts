import { kv, secrets, webhook } from "loopstart:core";
import { isOpen, nextOpen } from "loopstart:time";
import type { Call, CallRecord } from "loopstart:call";

export const config = { language: "ru-RU", record: true, fallback: [{ connect: "sales" }, { say: "Мы вам перезвоним." }] };

export default async function (call: Call) {
  await call.answer();
  const phone = call.from.e164;
  const client = await known(phone);
  if (client?.driver) { // an order is under way: straight to the driver
    const talk = await call.connect(client.driver, { timeout: "20s", whisper: "Звонит ваш пассажир." });
    call.result = { driver: talk.status };
    if (talk.status === "completed" || talk.status === "abandoned") return;
    await call.say("Водитель не отвечает.");
  } else if (phone && !client?.lead && (await kv.increment("lead:" + phone, { ttl: "30d" })) === 1) {
    await tell("/leads", { phone }, phone); // one per phone, also when two calls come at once
  }
  const open = isOpen("office");
  const opens = nextOpen("office");
  const closed = !open && opens ? ["Офис откроется в", { time: opens }] : [];
  const choice = await call.menu({
    prompt: ["Таксопарк, здравствуйте!", ...closed, "Вызвать машину: один. Частые вопросы: два. Стать водителем: три. Бухгалтерия: четыре."],
    choices: {
      1: () => people(call, "sales", "Новый заказ"),
      2: () => call.say("Подача пятнадцать минут. Оплата картой и наличными. Забытые вещи ждут в офисе до месяца."),
      3: () => people(call, "hiring", "Новый водитель"),
      4: () => people(call, "accounts", "Вопрос бухгалтерии"),
    },
  });
  if (choice.reason !== "key") await missed(call, choice.reason);
}

/** What the CRM knows of a caller. One that is slow or down holds up nobody. */
async function known(phone?: string): Promise<{ lead?: string; driver?: string } | undefined> {
  const crm = secrets.get("CRM_URL");
  if (!crm || !phone) return;
  const asked = fetch(`${crm}/clients?phone=${encodeURIComponent(phone)}`, { signal: AbortSignal.timeout(1500) });
  return asked.then((answer) => (answer.ok ? answer.json() : undefined)).catch(() => undefined);
}

/** Rings who is on shift; `hours` of the group say when that is. */
async function people(call: Call, group: string, whisper: string) {
  const talk = await call.connect(group, { timeout: "25s", whisper });
  call.result = { group, talk: talk.status, operator: talk.answeredBy };
  if (talk.status !== "completed" && talk.status !== "abandoned") await missed(call, group);
}

async function missed(call: Call, about: string) {
  call.tag("missed", about); // afterCall makes a call task of it
  await call.say("Мы перезвоним вам в рабочее время. До свидания!");
}

async function tell(path: string, body: object, key: string) {
  const crm = secrets.get("CRM_URL");
  if (crm) await webhook.deliver(crm + path, body, { key });
}

/** Every call is told, with its recording: figures that nobody can polish. */
export const afterCall = ({ id, from, outcome, tags, result, recording }: CallRecord) => tell("/calls", { id, from, outcome, missed: tags?.missed, result, recording }, from);
