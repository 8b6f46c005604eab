import { test, flow, callee, inbound, http, clock, expect } from "loopstart:test";

const phone = "+79161234567";

test("two days", async () => {
  http.on("POST", /sms/).reply(200);
  const form = http.on("GET", /erp/).reply(404);
  callee(phone).busy({ times: 1 });
  const f = await flow({ script: "parcel", key: "77", data: { phone } });
  await clock.to("tomorrow 10:10");
  expect(f.waits).toEqual([`call "parcel"`]);
  await clock.to("tomorrow 12:00");
  expect(form.requests).toHaveLength(2);
  const end = await f.ended();
  expect(end.result).toMatchObject({ sms: 200, talk: { outcome: "delivered", result: { heard: true }, attempts: 2 }, first: "late", again: true, took: 48 * 3600_000 });
  console.log(JSON.stringify(end));
});

test("an event, a start and a retry", async () => {
  http.on("POST", /sms/).fails();
  const c = await inbound({ to: "parcel", from: phone });
  await c.ended();
  const f = flow.of("parcel", phone);
  expect(f.state).toBe("running");
  expect(f.journal[0].tries).toBe(1);
  http.on("POST", /sms/).reply(200);
  await f.retry();
  expect((await f.ended()).result).toEqual({ filled: { by: "phone" } });
  const g = await flow({ script: "parcel", key: phone, data: { phone } });
  await g.cancel();
  expect(g.state).toBe("cancelled");
});

test("a flow that nobody mocked fails the test as any request does", async () => {
  http.on("POST", /sms/).reply(200);
  const f = await flow({ script: "parcel", data: { phone } });
  await f.signal("filled", 5);
  const { result, journal } = await f.ended({ within: "1m" });
  expect(result).toEqual({ filled: 5 });
  expect(journal).toHaveLength(2);
});
