import type { Call } from "loopstart:call";

// welcome.wav, thanks.wav and nothing.wav are inside the program, so this
// script speaks with no speech engine and no files.
export const config = { language: "en" };

export default async function (call: Call) {
  await call.answer();

  const choice = await call.menu({
    prompt: { play: "welcome.wav" },
    choices: { 1: "heard" },
    attempts: 1,
    timeout: "4s",
  });

  call.result = { key: choice.key, choice: choice.value ?? "none" };
  await call.play(choice.value ? "thanks.wav" : "nothing.wav");
}
