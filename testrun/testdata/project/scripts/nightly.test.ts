import { clock, expect, http, kv, test } from "loopstart:test";

test("onSchedule runs on the test's clock", async () => {
  const crm = http.on("POST", "https://crm.example.ru/nightly").reply(204);
  await clock.to("tomorrow 00:59"); // 2:59 in Almaty
  expect(await kv.get("nights")).toBe(undefined);
  await clock.to("tomorrow 1:01");
  expect(await kv.get("nights")).toBe(2);
  expect(crm.requests.length).toBe(2);
  expect(crm.requests[0].json.late).toBe(false);
  expect(crm.requests[0].json.at).toBe("2026-01-13T03:00:00+05:00");
});
