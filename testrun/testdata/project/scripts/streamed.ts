import type { Call } from "loopstart:call";

// A caller talks to an agent; when it fails, an operator is promised.
export default async function (call: Call) {
  const seen: string[] = [];
  call.result = seen;
  const s = call.stream("wss://agent.example.com/media?key=secret", {
    parameters: { caller: call.from.e164 ?? "", lang: "ru" }, reconnect: 2, format: call.data?.format,
  });
  s.on("open", (e) => seen.push(`open ${e.reconnect}`));
  s.on("lost", (e) => seen.push(`lost ${e.attempt}`));
  s.on("mark", (e) => seen.push(`mark ${e.name} ${e.heard}`));
  s.on("message", (e) => {
    seen.push(`message ${e.body.say}`);
    if (e.body.say === "stop") void s.stop();
    if (e.body.say === "prompt") void call.say("One moment");
    s.send({ got: e.body.say });
  });
  s.on("error", (e) => seen.push("error"));
  try {
    const end = await s;
    seen.push(`ended by ${end.endedBy}`);
  } catch (e) {
    seen.push(e.code);
    await call.say("An operator will call you back");
  }
  await call.say("Goodbye");
}
