import { callee, clock, expect, http, inbound, test, user } from "loopstart:test";

test("null is JSON, and answered waits for the next time that a line rings", async () => {
  http.on("GET", /people/).reply(200, null);
  callee.busy();
  user.busy();
  const c = await inbound({ to: "line" });
  await c.silent("15s");
  user("102").answers();
  await user("102").answered({ within: "2m" });
  await c.hangup();
  const record = await c.ended();
  expect(record.tags!.known).toBe("false");
  expect(record.result.answeredBy).toBe("102");
});

test("a date of the next half year", async () => {
  http.on("*", /crm/).reply(204); // of the nightly script
  await clock.to("2026-07-01 10:00");
  expect(clock.now().toISOString()).toBe("2026-07-01T07:00:00.000Z");
});
