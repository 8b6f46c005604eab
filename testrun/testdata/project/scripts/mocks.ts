import { kv, sleep } from "loopstart:core";
import type { Call } from "loopstart:call";

export const config = { language: "en", permissions: { http: ["api.example.ru", "127.0.0.1:8080"] } };

// Asks for what it is told to fetch and says how that went.
export default async function (call: Call<{ url: string; timeout?: number }>) {
  await call.answer();
  try {
    const r = await fetch(call.data.url, { signal: AbortSignal.timeout(call.data.timeout ?? 60000) });
    await call.say(`status ${r.status} ${await r.text()}`);
  } catch (e) {
    await call.say(`${e.code ?? e.name}: ${e.message}`);
  }
  await kv.set("done", call.data.url);
  await sleep("1h", { signal: call.signal });
  await call.say("bye");
}
