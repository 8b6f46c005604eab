import { callee, expect, http, inbound, outbound, test, user } from "loopstart:test";

function crm() {
  http.on("GET", "https://api.example.ru/a").delay("300ms").reply(200, { a: 1 });
  http.on("GET", "https://api.example.ru/b").delay("300ms").reply(404);
  http.on("POST", "https://crm.example.ru/hook").reply(500).times(1);
  return http.on("POST", "https://crm.example.ru/hook").reply(204);
}

test("three phones ring, one takes the call", async () => {
  crm();
  user("101").answers({ after: "2s" });
  user("102").answers({ after: "2s" });
  callee("+79160000003").machine("Оставьте сообщение", { after: "2s" });
  const c = await inbound({ to: "+74951234567", from: "+79161112233" });
  const d = await inbound({ to: "everything", from: "+79161112244" });
  await c.hears(/один или два/);
  c.press("17");
  await c.silent("100ms"); // who asks for the phones at the same instant gets them in any order
  d.press("2");
  await c.hears(/тон|tone/);
  await user("102").rings();
  await c.silent("4s");
  await c.hold();
  await c.silent("1s");
  await c.resume();
  await c.says("Алло");
  d.hangup();
  c.hangup();
  await c.ended();
  await d.ended();
});

test("an order with two attempts", async () => {
  const hook = crm();
  callee.busy({ times: 1 });
  const c = await outbound({ script: "everything", to: "8 916 111-22-33", attempts: 2, retry: { default: "1m" } });
  await c.hears(/один или два/, { within: "3m" });
  await c.silent("30s");
  await c.ended();
  c.hangup();
  await c.ended({ within: "5m" });
  expect(hook.requests.length).toBeGreaterThan(0);
});
