import { flow, signal, start } from "loopstart:flow";
import type { Flow } from "loopstart:flow";
import type { Call } from "loopstart:call";

export const onFlow = flow(async (f: Flow) => {
  console.log("begins", f.key);
  const draw = Math.random(), id = crypto.randomUUID(), began = Date.now();
  const sms = await f.step("sms", async ({ id }) => (await fetch("https://sms.example.ru/send", { method: "POST", body: id })).status);
  console.log("sent", sms);
  const filled = await f.event("filled", { within: "20h" });
  if (filled) return { filled };
  await f.sleepUntil("10:00", { zone: "callee" });
  const talk = await f.call({ to: f.data.phone, tries: 3, every: "15m", unless: async () => (await fetch("https://erp.example.ru/form")).status === 200 });
  const first = await Promise.race([f.event("paid").then(() => "paid"), f.sleepUntil(new Date(began + 48 * 3600_000)).then(() => "late")]);
  const again = Math.random() !== draw && crypto.randomUUID() !== id;
  return { sms, talk, first, again, took: Date.now() - began };
});

export default async function (call: Call) {
  await call.answer();
  if (call.direction === "inbound") {
    await start("parcel", { key: call.from.e164, data: { phone: call.from.e164 } });
    await signal("parcel", { key: call.from.e164!, event: "filled", data: { by: "phone" } });
  }
  await call.say("Посылка ждёт.");
  call.result = { heard: true };
}

export const onRequest = (request: any) => signal("parcel", { key: request.json.key, event: "paid" });
