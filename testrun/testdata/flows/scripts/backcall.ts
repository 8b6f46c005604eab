import { queue } from "loopstart:call";
import { flow } from "loopstart:flow";
import { kv } from "loopstart:core";
import type { HookRequest } from "loopstart:call";

export const onFlow = flow<{ phone: string }>(async (f) => {
  const kept = await f.step("keep", () => queue("sales").callback(f.data.phone, { data: { from: "flow" } }));
  return kept.position;
});

export async function onRequest(request: HookRequest) {
  return queue("sales").callback(request.json.phone);
}

export default async function () {}

export async function afterCall(record) {
  await kv.set("back:" + record.to, { outcome: record.outcome, data: record.data });
}
