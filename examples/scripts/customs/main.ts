// A parcel waits for its customs form: an SMS with the link, the next day up to three calls, after two days a task for an operator.
import { flow, signal } from "loopstart:flow";
import { secrets, webhook } from "loopstart:core";
import type { Flow } from "loopstart:flow";
import type { Call, CallRecord, HookRequest } from "loopstart:call";

export const config = { language: "ru-RU", deliveredAfter: "5s", data: { parcel: "string", phone: "phone", name: "string", link: "string" } };

const url = (path: string) => `${secrets.get("ERP_URL")}/${path}`;

async function send(to: string, id: string, body: object) {
  const res = await fetch(to, { method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": id }, body: JSON.stringify(body) });
  if (!res.ok) throw new Error(`${to} answered ${res.status}`); // the step is tried again, for three days
}

const filled = async (parcel: string) => (await (await fetch(url(`parcels/${parcel}`))).json()).form === "filled";

export const onFlow = flow(async (f: Flow) => {
  const { parcel, phone, name, link } = f.data;
  await f.step("sms", ({ id }) => send(secrets.get("SMS_URL"), id, { to: phone, text: `${name}, заполните форму для таможни: ${link}` }));
  if (await f.event("form-filled", { within: "18h" })) return "filled after the SMS";
  await f.sleepUntil("10:00", { zone: "callee" });
  const talk = await f.call({ to: phone, tries: 3, every: "15m", unless: () => filled(parcel) });
  if (talk.outcome === "not_called" || (await f.event("form-filled", { within: "24h" }))) return "filled";
  await f.step("task", ({ id }) => send(url("tasks"), id, { parcel, phone, last: talk.outcome }));
  return "task";
});

export default async function (call: Call) {
  const text = `Здравствуйте, ${call.data.name}! Посылка ждёт форму для таможни, ссылка пришла вам в СМС. Нажмите ноль для связи с оператором.`;
  const choice = await call.menu({ prompt: text, choices: { 0: "operator" }, timeout: "4s" });
  call.result = { choice: choice.value ?? "heard" };
  if (choice.value === "operator") await call.connect("sales", { timeout: "25s", whisper: `Посылка ${call.data.parcel}` });
}

export const afterCall = (record: CallRecord) => webhook.deliver(url("calls"), record, { key: record.to });

// The ERP tells that a form was filled: POST /v1/hooks/customs {"parcel": "77"}.
export const onRequest = (request: HookRequest) => signal("customs", { key: request.json.parcel, event: "form-filled" });
