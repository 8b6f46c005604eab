import type { Call } from "loopstart:call";
import { kv } from "loopstart:core";

export const config = { language: "ru-RU" };

// Does what it is told by data.do and says what came of it.
export default async function (call: Call<{ do: string; to?: string }>) {
  await call.answer();
  call.on("hold", (e: { held: boolean }) => call.log(e.held ? "held" : "resumed"));
  switch (call.data.do) {
    case "record": {
      const r = await call.record({ maxDuration: "10s", silence: "2s", beep: true });
      await call.say(`${r.reason} ${r.durationMs > 2000 ? "long" : "short"}`);
      break;
    }
    case "message": {
      const r = await call.record({ maxDuration: "1h" });
      call.result = { reason: r.reason, seconds: Math.round(r.durationMs / 1000) };
      break;
    }
    case "hangup":
      await call.hangup();
      try {
        await call.say("nobody hears this");
      } catch (e) {
        call.result = { code: e.code };
      }
      break;
    case "transfer": {
      const moved = await call.transfer(call.data.to ?? "");
      call.result = moved;
      break;
    }
    case "connect": {
      const talk = await call.connect(call.data.to ?? "", { timeout: "10s" });
      call.result = { status: talk.status, answeredBy: talk.answeredBy };
      break;
    }
    case "kv":
      await kv.set("n", 1);
      await kv.update("n", (n) => n + 1, { ttl: "1m" });
      await kv.compareAndSet("m", undefined, 5, { ttl: "1m" });
      break;
    default:
      await call.gather({ prompt: "Нажмите", digits: 1, timeout: "10m" });
      await call.say("Всё");
  }
}
