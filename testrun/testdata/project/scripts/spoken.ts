import type { Call } from "loopstart:call";

export default async function (call: Call) {
  const r = await call.gather({
    prompt: "Say or press one to confirm, this is a long prompt that may be interrupted", invalidPrompt: "Sorry", timeoutPrompt: "Are you there?",
    digits: 1, attempts: 2, speech: { hints: ["yes", "no"], endSilence: "600ms" }, secret: call.data?.secret,
    validate: (digits, speech) => !speech || speech.text !== "maybe",
  });
  call.result = r;
  await call.say("Thanks");
}
