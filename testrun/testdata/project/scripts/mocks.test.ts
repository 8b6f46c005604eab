import { clock, expect, http, inbound, kv, test } from "loopstart:test";

const ask = (url: string, more = {}) => inbound({ to: "mocks", data: { url, ...more } });
const api = "https://api.example.ru/v1";

test("the latest mock wins, and times lets the one before come back", async () => {
  http.on("GET", /example\.ru/).reply(200, "old");
  const once = http.on("get", api).reply(201, { new: true }, { "X-A": "b" }).times(1);
  let c = await ask(api + "?secret=1");
  await c.hears('status 201 {"new":true}');
  c = await ask(api);
  await c.hears("status 200 old");
  expect(once.requests).toHaveLength(1);
  expect(once.requests[0].url).toBe(api + "?secret=1");
  expect(http.requests.map((r) => r.method)).toEqual(["GET", "GET"]);
});

test("a delay passes in virtual time, and a timeout before it", async () => {
  http.on("GET", api).delay("20s").reply(204);
  const began = clock.now().getTime();
  await (await ask(api)).hears("status 204");
  expect(clock.now().getTime() - began).toBeGreaterThan(20000);
  await (await ask(api, { timeout: 3000 })).hears(/TimeoutError|ABORT|timed out/i);
});

test("a connection fails, a host is denied, a redirect is followed", async () => {
  http.on("*", api).fails("reset");
  await (await ask(api)).hears(/NETWORK: .*reset/);
  await (await ask("https://other.example.ru/")).hears(/DENIED: .*not in permissions/);
  http.on("GET", api).reply(302, undefined, { Location: "/moved" });
  http.on("GET", "https://api.example.ru/moved").reply(200, "there");
  await (await ask(api)).hears("status 200 there");
});

test("kv is the scripts' own", async () => {
  http.on("GET", api).reply(200);
  expect(await kv.get("done")).toBeUndefined();
  const c = await ask(api);
  await c.silent("5s");
  expect(await kv.get("done")).toBe(api);
  expect(await kv.increment("n", { by: 3 })).toBe(3);
  await kv.set("gone", 1, { ttl: "1s" });
  await clock.pass("2s");
  expect(await kv.list("")).toEqual([{ key: "done", value: api }, { key: "n", value: 3 }]);
  expect(await kv.delete("n")).toBe(true);
});

test("an hour of silence", async () => {
  http.on("GET", api).reply(200);
  const c = await ask(api);
  await c.hears(/status 200/);
  await c.silent("61m");
  expect(c.heard).toContain("bye");
});

test("expectations", () => {
  expect({ a: [1, { b: 2 }], c: undefined }).toEqual({ a: [1, { b: 2 }] });
  expect(() => expect([1, 2]).toContain(3)).toThrow("expected [1, 2] to contain 3");
  expect(() => expect("a").not.toBe("a")).toThrow('expected "a" not to be "a"');
  expect("слово").toMatch(/лов/);
  expect(new Date(0)).toEqual(new Date(0));
  expect(null).toBeFalsy();
  expect(2).toBeGreaterThan(1);
  expect(1).not.toBeGreaterThan(1);
});
