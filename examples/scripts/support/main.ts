import { secrets, webhook } from "loopstart:core";
import type { Call } from "loopstart:call";

export const config = {
  language: "ru-RU",
  record: true,
  fallback: [{ say: "Извините, произошла ошибка. Соединяю с оператором." }, { connect: "sales" }],
};

export default async function (call: Call) {
  await call.answer();
  await call.say("Здравствуйте! Служба поддержки. Разговор записывается. Соединяю с оператором.");

  const talk = await call.connect("sales", {
    timeout: "25s",
    // The caller hears music; the operator hears who it is and takes the call
    // with 1, so that a mobile phone's voice mail never does.
    music: { play: "music.wav" },
    whisper: call.from.e164 ? ["Поддержка. Звонит", { phone: call.from.e164 }] : "Поддержка. Номер не определён.",
    accept: { key: 1, prompt: "Чтобы ответить, нажмите один." },
  });
  call.result = { talk: talk.status, operator: talk.answeredBy ?? null };

  if (talk.status === "completed") await rate(call, talk.endedBy === "callee");
  else if (talk.status !== "abandoned") await busy(call);
}

/** The operator hung up first: the caller is still here and may give a mark. */
async function rate(call: Call, callerStays: boolean) {
  if (!callerStays) return;
  const mark = await call.gather({ prompt: "Оцените разговор от одного до пяти.", digits: 1, timeout: "5s", validate: (key) => /[1-5]/.test(key) });
  if (!mark.digits) return;
  call.tag("mark", mark.digits);
  await call.say("Спасибо!");
}

/** Nobody took the call: a callback, or a message. */
async function busy(call: Call) {
  const choice = await call.menu({
    prompt: "Все операторы заняты. Чтобы мы вам перезвонили, нажмите один. Чтобы оставить сообщение, нажмите два.",
    choices: { 1: "callback", 2: "message" },
    attempts: 2,
  });
  if (choice.value === "message") {
    await call.say("Говорите после сигнала.");
    const recording = await call.record({ beep: true, maxDuration: "2m", silence: "4s" });
    return report(call, { wants: "message", recording: recording.id });
  }
  // Silence is a callback too: the caller waited for us.
  const phone = call.from.e164 ?? (await askNumber(call));
  await report(call, { wants: "callback", phone });
  await call.say("Мы перезвоним в течение часа. До свидания!");
}

async function askNumber(call: Call) {
  const number = await call.gather({ prompt: "Наберите ваш номер, в конце нажмите решётку.", digits: { min: 7, max: 15 }, finishOn: "#", attempts: 2 });
  return number.digits;
}

/** Tells the CRM; the request is on disk before this returns. */
async function report(call: Call, what: object) {
  call.result = { talk: "missed", ...what };
  const crm = secrets.get("CRM_URL");
  if (crm) await webhook.deliver(crm, { event: "support", call: call.id, shop: call.data.shop, ...what }, { key: call.id });
}
