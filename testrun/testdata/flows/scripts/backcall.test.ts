import { callee, clock, expect, flow, hook, kv, test, user } from "loopstart:test";

test("a flow and a hook keep a place for a call-back", async () => {
  user("101").ringsOut();
  const f = await flow({ script: "backcall", key: "1", data: { phone: "+79161110001" } });
  expect((await f.ended()).result).toBe(1);
  expect((await hook("backcall", { json: { phone: "+79161110002" } })).json.position).toBe(2);
  user("101").answers();
  for (const number of ["+79161110001", "+79161110002"]) {
    await callee(number).answered({ within: "5m" });
    await callee(number).hangup();
  }
  await clock.pass("10s");
  expect(await kv.get("back:+79161110001")).toEqual({ outcome: "delivered", data: { from: "flow" } });
});
