import { queue } from "loopstart:call";
import type { Call } from "loopstart:call";

export const config = { language: "en", permissions: { http: ["crm.example.ru"] } };

export default async function (call: Call) {
  const found = await (await fetch("https://crm.example.ru/people")).json();
  call.tag("known", String(found !== null));
  call.result = await queue("sales").enter(call, { timeout: "5m", music: false });
}
