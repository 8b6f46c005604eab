import { test, flow, callee, expect } from "loopstart:test";

test("a call waits for the morning where the callee is", async () => {
  callee("+74232000000").busy({ times: 1 });
  const f = await flow({ script: "night", data: { phone: "+74232000000" } }); // Vladivostok, seven hours ahead of Moscow
  const { result, journal } = await f.ended();
  expect(result).toMatchObject({ call: { outcome: "delivered", attempts: 2 }, code: "INVALID" });
  expect(journal[1].at).toMatch(/^2026-01-12T23:0[5-6]:/); // 9:05 there
});

test("unless is asked in the window, and its word is the reason", async () => {
  const f = await flow({ script: "night", data: { phone: "+74232000000", skip: true } });
  const { result } = await f.ended();
  expect(result.call).toEqual({ outcome: "not_called", attempts: 0, reason: "2026-01-12T23:00:00.000Z" });
});
