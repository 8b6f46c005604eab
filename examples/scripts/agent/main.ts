import type { Call } from "loopstart:call";

/** Where the agent listens: `go run ./examples/agent` starts one that echoes. */
const AGENT = "ws://127.0.0.1:9300/media";

export const config = {
  language: "en-GB",
  // The agent runs on this machine: private addresses must be named.
  permissions: { http: ["127.0.0.1:9300"] },
  fallback: [{ say: "Sorry, something went wrong. We will call you back." }],
};

/** An agent talks with the caller; an operator takes over when it asks for one, or when it is not there. */
export default async function (call: Call) {
  await call.answer();
  const agent = call.stream(AGENT, { parameters: { from: call.from.e164 ?? "", language: "en" } });
  let operator = false;
  agent.on("message", ({ body }) => {
    if (body.intent !== "operator") return;
    operator = true;
    void agent.stop();
  });
  try {
    const end = await agent;
    call.result = { endedBy: end.endedBy, seconds: Math.round(end.durationMs / 1000), operator };
  } catch (e) {
    call.log("the agent is not there", e.code);
    call.result = { endedBy: "error", code: e.code, operator: true };
    operator = true;
  }
  if (operator) await handOver(call);
  else await call.say("Thank you for calling. Goodbye.");
}

/** Asks once more, in words or by key, before an operator is disturbed. */
async function handOver(call: Call) {
  const answer = await call.gather({
    prompt: "Shall I connect you with an operator? Say yes, or press one.",
    digits: 1, attempts: 2, speech: { hints: ["yes", "no"] },
  }).catch((e) => (e.code === "UNAVAILABLE" ? call.gather({ prompt: "For an operator, press one.", digits: 1 }) : Promise.reject(e)));
  if (answer.digits !== "1" && !/^yes/i.test(answer.speech?.text ?? "")) {
    await call.say("Then goodbye.");
    return;
  }
  const talk = await call.connect("sales", { timeout: "20s", whisper: "From the agent" });
  if (talk.status !== "completed") await call.say("Nobody is free. We will call you back.");
}
