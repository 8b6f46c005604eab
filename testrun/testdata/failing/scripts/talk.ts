import type { Call } from "loopstart:call";

export default async function (call: Call) {
  await call.answer();
  await call.menu({ prompt: "Press one", choices: { 1: "a", 2: "b" }, timeout: "5s", attempts: 1 });
  if (call.data.fetch) await fetch("https://api.example.ru/x?token=1");
  if (call.data.throw) throw new Error("boom");
}
