import { expect, inbound, test } from "loopstart:test";

test("a caller who presses 1 is thanked", async () => {
  const c = await inbound({ to: "+74950000001" });
  await c.hears("welcome.wav");
  c.press("1");
  await c.hears("thanks.wav");
  const record = await c.ended();
  expect(record.result).toEqual({ key: "1", choice: "heard" });
  expect(record.outcome).toBe("served");
  c.matchesSnapshot();
});

test("a caller who does nothing is told so after four seconds", async () => {
  const c = await inbound({ to: "hello" });
  await c.hears("welcome.wav");
  await c.hears("nothing.wav");
  const record = await c.ended();
  expect(record.result).toEqual({ key: "", choice: "none" });
});
