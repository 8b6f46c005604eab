import { callee, clock, expect, inbound, outbound, secrets, test, user } from "loopstart:test";

test("words that are not said", async () => {
  const c = await inbound({ to: "talk" });
  await c.hears(/two/, { within: "3s" });
});

test("words after the end", async () => {
  const c = await inbound({ to: "talk" });
  await c.hears(/Goodbye/);
});

test("an expectation", async () => {
  const c = await inbound({ to: "talk" });
  const record = await c.ended();
  expect(record.outcome).toBe("delivered");
});

test("a request nobody mocked", async () => {
  const c = await inbound({ to: "talk", data: { fetch: true } });
  c.press("1");
  await c.ended();
});

test("nobody awaits", async () => {
  const c = await inbound({ to: "talk" });
  c.hears(/Press/);
});

test("never", async () => {
  await new Promise(() => {});
});

test("a route that refuses", async () => {
  await inbound({ to: "+74951111111" });
});

test("no such script", async () => {
  await outbound({ script: "tolk", to: "+79161112233" });
});

test("the past", async () => {
  await clock.to("2020-01-01 10:00");
});

test("a misspelt option", async () => {
  const c = await inbound({ to: "talk" });
  await c.hears(/x/, { withing: "3s" } as any);
});

test("keys before the answer", async () => {
  callee.ringsOut();
  const c = await outbound({ script: "talk", to: "+79161112233" });
  await c.rings();
  await c.press("1");
});

test("secrets too late", async () => {
  await inbound({ to: "talk" });
  secrets.set("HOOK", "x");
});

test("no such user", async () => {
  user("104").busy();
});

test.skip("later", () => {});
