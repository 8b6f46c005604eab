import { secrets, webhook } from "loopstart:core";
import { isOpen, nextOpen, zones } from "loopstart:time";
import type { Call } from "loopstart:call";

export const config = {
  language: "ru-RU",
  // What happens when this script fails: nobody is left in silence.
  fallback: [{ say: "Извините, произошла ошибка. Соединяю с оператором." }, { connect: "sales" }],
};

export default async function (call: Call) {
  await call.answer();
  if (isOpen("office")) await day(call);
  else await night(call);
}

/** Working hours: a department, an extension, or an answer from the robot. */
async function day(call: Call) {
  const choice = await call.menu({
    prompt: [
      "Здравствуйте! Вы позвонили в компанию «Пример».",
      "Чтобы поговорить с отделом продаж, нажмите один. Чтобы узнать адрес и часы работы, нажмите два.",
      "Если вы знаете внутренний номер сотрудника, наберите его. Чтобы прослушать ещё раз, нажмите звёздочку.",
    ],
    // X is any digit. The longest match wins: a lone 1 waits a moment for 101.
    choices: { 1: "sales", 2: "address", "10X": "extension" },
    repeat: "*",
    invalidPrompt: "Такого пункта нет.",
  });
  call.tag("menu", choice.value ?? "none");

  if (choice.value === "address") {
    await call.say("Невский проспект, дом один. Мы работаем с понедельника по пятницу с девяти до восемнадцати.");
    return;
  }
  // Who pressed nothing is connected too: not every caller has keys.
  const target = choice.value === "extension" ? choice.key : "sales";
  const talk = await call.connect(target, { timeout: "25s" });
  call.result = { menu: choice.value ?? "none", talk: talk.status };
  if (talk.status !== "completed" && talk.status !== "abandoned") {
    await call.say("Сейчас все заняты.");
    await message(call);
  }
}

/** After hours: when the office opens, and a message after the tone. */
async function night(call: Call) {
  await call.say("Здравствуйте! Вы позвонили в компанию «Пример». Сейчас мы не работаем.");
  const opens = nextOpen("office");
  if (opens) {
    const { date, time } = zones.local(undefined, { at: opens });
    await call.prompt(["Мы откроемся", { date, case: "gen" }, "в", { time }]);
  }
  await message(call);
}

/** Takes a voice message and hands it to the CRM. */
async function message(call: Call) {
  await call.say("Оставьте сообщение после сигнала, и мы перезвоним.");
  const recording = await call.record({ beep: true, maxDuration: "2m", silence: "4s", finishOn: "#" });
  call.result = { message: recording.id, seconds: Math.round(recording.durationMs / 1000) };

  // deliver() returns when the request is on disk; it is repeated until the
  // CRM has it. Without CRM_URL the message is in the call's record only.
  const crm = secrets.get("CRM_URL");
  if (crm) {
    const link = await recording.link({ ttl: "7d" });
    await webhook.deliver(crm, { event: "message", phone: call.from.e164, call: call.id, recording: link }, { key: call.id });
  }
  if (recording.reason !== "hangup") await call.say("Спасибо! До свидания.");
}
