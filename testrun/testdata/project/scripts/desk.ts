import { kv } from "loopstart:core";
import { dial, sendMessage } from "loopstart:call";
import type { Call, Message } from "loopstart:call";

export default async function (call: Call) {
  await call.answer();
  call.on("transfer", ({ request, to }) => request && (to === "+79160000009" ? "102" : to !== "103"));
  call.on("message", async ({ text, headers }) => {
    const sent = await call.sendMessage(`you said ${text}`);
    call.tag("sent", sent.status);
  });
  if (call.data.attended) {
    const { call: boss } = await dial("101");
    call.result = await call.transfer(undefined, { attended: boss! });
    return;
  }
  await call.sendInfo("application/x-order", { order: 7 });
  const talk = await call.connect("101", { timeout: "20s" });
  call.result = { status: talk.status, by: talk.answeredBy, endedBy: talk.endedBy };
}

export async function onMessage({ from, to, text, contentType, trunk, user }: Message) {
  await kv.set("last", { from: from.e164 ?? from.user, to: to.e164 ?? to.user, text, contentType, trunk, user });
  if (text === "fail") throw new Error("no");
  if (text === "forward") {
    const sent = await sendMessage("101", `from ${from.e164}`);
    await sendMessage("+79160000001", sent.status, { from: "+74951234567" });
    return;
  }
  return text === "quiet" ? { any: "thing" } : `got ${text}`;
}
