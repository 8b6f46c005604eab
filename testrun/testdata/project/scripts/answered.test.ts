import { test, expect, callee, outbound } from "loopstart:test";

test("a person is told at once", async () => {
  callee.answers();
  const c = await outbound({ script: "answered", to: "+79161112233" });
  await c.answered();
  await c.says("Алло");
  await c.hears(/заказ готов/);
  const record = await c.ended();
  expect(record.result).toEqual({ verdict: "human", cause: "silence_after_greeting", beep: false });
  expect(record.outcome).toBe("delivered");
});

test("a machine is told after its beep", async () => {
  callee.machine("Здравствуйте! Вы позвонили Анне, сейчас я не могу подойти к телефону, оставьте сообщение после сигнала");
  const c = await outbound({ script: "answered", to: "+79161112233" });
  await c.hears(/заказ готов/);
  const record = await c.ended();
  expect(record.result.verdict).toBe("machine");
  expect(record.result.beep).toBe(true);
  expect(record.outcome).toBe("machine");
});
