import { test, inbound, message, callee, user, kv, expect, clock } from "loopstart:test";

test("an operator transfers the caller to another one", async () => {
  const c = await inbound({ to: "desk" });
  await user("101").answered();
  expect(await user("101").refers("102")).toEqual({ code: 200 });
  expect(user("102").state).toBe("answered");
  await clock.pass("2s");
  expect(user("101").state).toBe("ended");
  user("102").says("Анна слушает");
  await c.hears(/Анна/);
  await user("102").hangup();
  expect((await c.ended()).result).toEqual({ status: "completed", by: "102", endedBy: "callee" });
});

test("the script sends it elsewhere, refuses, and a busy one changes nothing", async () => {
  const c = await inbound({ to: "desk" });
  const anna = user("101");
  await anna.answered();
  expect(await anna.refers("103")).toEqual({ code: 603 });
  user("102").busy({ times: 1 });
  expect(await anna.refers("+79160000009")).toEqual({ code: 486 });
  anna.says("я ещё тут");
  await c.hears(/ещё/);
  expect(await anna.refers("+79160000009")).toEqual({ code: 200 });
  await c.hangup();
  expect((await c.ended()).result.by).toBe("102");
});

test("the caller transfers the operator", async () => {
  const c = await inbound({ to: "desk" });
  await user("101").answered();
  expect(await c.refers("102")).toEqual({ code: 200 });
  await clock.pass("2s");
  user("102").says("кто это");
  await user("101").hears(/кто/);
  await user("101").hangup();
  expect((await c.ended()).result).toEqual({ status: "completed", by: "101", endedBy: "callee" });
});

test("an attended transfer names the talk with the boss", async () => {
  const c = await inbound({ to: "desk", data: { attended: true } });
  expect((await c.ended()).result).toEqual({ status: "completed", code: 200 });
  expect(c.transfers[0]).toMatch(/^sip:user:101#1@phone\?Replaces=/);
});

test("texts within a call", async () => {
  const c = await inbound({ to: "desk" });
  await user("101").answered();
  await c.sends("hello");
  await clock.pass("1s");
  expect(c.messages).toEqual(["you said hello"]);
  await c.hangup();
  expect((await c.ended()).tags).toEqual({ sent: "delivered" });
});

test("texts outside of calls", async () => {
  const from = "+79161112233";
  expect(await message({ to: "desk", from, text: "STOP" })).toEqual({ code: 200 });
  await clock.pass("1s");
  expect(await kv.get("last")).toEqual({ from, to: "desk", text: "STOP", contentType: "text/plain" });
  await message({ to: "desk", user: "101", text: "a" });
  await clock.pass("1s");
  expect(user("101").messages).toEqual(["got a"]);
  await message({ to: "desk", trunk: "main", from, text: "b" });
  await message({ to: "desk", trunk: "main", from, text: "quiet" });
  await clock.pass("1s");
  expect(callee(from).messages).toEqual(["got b"]);
  await message({ to: "desk", from, text: "forward" });
  await clock.pass("1s");
  expect(user("101").messages).toEqual(["got a", `from ${from}`]);
  expect(callee("+79160000001").messages).toEqual(["delivered"]);
  expect((await message({ to: "nobody", text: "x" })).code).toBe(404);
  expect((await message({ to: "hello", text: "x" })).code).toBe(404);
});

test("a text reaches a phone that talks", async () => {
  const from = "+79161112233";
  user("101").answers({ after: "1s" });
  const c = await inbound({ to: "desk", from });
  await clock.pass("5s");
  await message({ to: "desk", from, text: "forward" });
  await clock.pass("1s");
  expect(user("101").messages).toEqual([`from ${from}`]);
  c.hangup();
  expect((await c.ended()).result).toMatchObject({ status: "completed" });
});
