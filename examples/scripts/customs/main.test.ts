import { test, flow, callee, http, clock, secrets, user, expect } from "loopstart:test";

const data = { parcel: "77", phone: "+79161234567", name: "Анна", link: "https://form.example.ru/77" };

// world answers for the ERP and the SMS gate.
function world(form = "empty") {
  secrets.set("ERP_URL", "https://erp.example.ru");
  secrets.set("SMS_URL", "https://sms.example.ru/send");
  return {
    sms: http.on("POST", /sms\.example/).reply(200),
    form: http.on("GET", /parcels\/77/).reply(200, { form }),
    tasks: http.on("POST", /tasks/).reply(201),
    calls: http.on("POST", /calls/).reply(200),
  };
}

test("who fills the form after the SMS is not called", async () => {
  const w = world();
  const f = await flow({ script: "customs", key: "77", data });
  await clock.pass("3h");
  await f.signal("form-filled");
  expect((await f.ended()).result).toBe("filled after the SMS");
  expect(w.sms.requests[0].json.text).toMatch(/form\.example\.ru\/77/);
  expect(w.calls.requests).toHaveLength(0);
});

test("three attempts, then a task after two days", async () => {
  const w = world();
  callee(data.phone).ringsOut();
  const f = await flow({ script: "customs", key: "77", data });
  const end = await f.ended();
  expect(end.result).toBe("task");
  expect(end.journal.map((e) => e.kind)).toEqual(["step", "event", "sleep", "call", "event", "step"]);
  expect(w.form.requests).toHaveLength(3);
  expect(w.calls.requests.map((r) => r.json.outcome)).toEqual(["no_answer", "no_answer", "no_answer"]);
  expect(w.tasks.requests[0].json).toEqual({ parcel: "77", phone: data.phone, last: "no_answer" });
  expect(clock.now().getTime() - new Date(f.journal[0].at).getTime()).toBeGreaterThan(42 * 3600_000);
});

test("the ERP is asked before each dial", async () => {
  const w = world();
  callee(data.phone).busy({ times: 1 });
  const f = await flow({ script: "customs", key: "77", data });
  await clock.to("tomorrow 10:10");
  expect(w.calls.requests).toHaveLength(1);
  w.form.reply(200, { form: "filled" });
  expect((await f.ended()).result).toBe("filled");
  expect(w.calls.requests.filter((r) => r.json.outcome !== "not_called")).toHaveLength(1);
});

test("the gate is down for an hour: the SMS is late, and one", async () => {
  const w = world();
  w.sms.reply(503);
  const f = await flow({ script: "customs", key: "77", data });
  await clock.pass("1h");
  expect(f.journal[0].tries).toBeGreaterThan(3);
  w.sms.reply(200);
  await clock.pass("1h");
  expect(f.journal[0].at).toBeTruthy();
  expect(new Set(w.sms.requests.map((r) => r.headers["idempotency-key"])).size).toBe(1);
  await f.cancel();
});

test("an operator talks to whom presses 0", async () => {
  world();
  await flow({ script: "customs", key: "77", data });
  await clock.to("tomorrow 10:00");
  const c = callee(data.phone);
  await c.hears(/нажмите ноль/i);
  c.press("0");
  await user("101").hears(/Посылка 77/);
  await c.hangup();
  const f = flow.of("customs", "77");
  await clock.pass("1m");
  expect(f.journal[3].value.result).toEqual({ choice: "operator" });
});
