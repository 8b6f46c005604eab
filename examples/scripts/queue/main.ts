// A support line: callers wait for an agent, know where they stand, and may be
// called back instead.
import { agent, queue } from "loopstart:call";
import { kv } from "loopstart:core";
import type { Call } from "loopstart:call";

export const config = {
  language: "ru-RU",
  record: true,
  fallback: [{ say: "Произошла ошибка. Мы вам перезвоним." }],
};

export default async function (call: Call) {
  await call.answer();
  if (call.to.user === "agents") return shift(call);

  const line = queue("line");
  const { open } = await line.state();
  if (!open) {
    await call.say("Мы работаем по будням с девяти до восемнадцати. Мы перезвоним, как только откроемся.");
    return keep(call);
  }
  await call.say("Здравствуйте! Чтобы мы вам перезвонили, не теряя очереди, нажмите один.");
  // Who has bought something waits less.
  const buyer = await kv.get<boolean>("buyer/" + call.from.e164);
  const talk = await line.enter(call, {
    music: "music.wav",
    announce: "both", every: "45s",
    priority: buyer ? 10 : 0,
    skills: call.data.skills,
    whisper: buyer ? "Покупатель" : "Новый клиент",
    accept: { key: 1, prompt: "Нажмите один" },
    keys: { 1: "callback" },
    timeout: "10m",
  });
  call.tag("queue", talk.status);
  switch (talk.status) {
    case "completed":
      if (talk.endedBy === "callee") await call.say("Спасибо за звонок!");
      return;
    case "key":
    case "timeout":
    case "full":
      return keep(call);
  }
}

// keep leaves the place in line to a call-back.
async function keep(call: Call) {
  if (!call.from.e164) {
    await call.say("Ваш номер скрыт, позвоните нам, пожалуйста, позже.");
    return;
  }
  const kept = await queue("line").callback(call.from.e164, { place: "kept", attempts: 2, retry: "10m", whisper: "Обратный звонок" });
  call.result = { callback: kept.id };
  await call.say("Мы вам перезвоним.");
}

// shift: an agent who calls the script as "agents" says whether it works.
async function shift(call: Call) {
  const me = agent(call.from.user);
  const choice = await call.menu({
    prompt: "Нажмите один, чтобы начать смену, ноль, чтобы закончить.",
    choices: { 1: () => me.ready(), 0: () => me.away() },
  });
  if (choice.reason === "key") await call.say(choice.key === "1" ? "Вы на смене." : "Смена закончена.");
}
