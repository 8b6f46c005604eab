import { expect, inbound, test } from "loopstart:test";

test("five packages work", async () => {
  const c = await inbound({ to: "packages" });
  expect((await c.ended()).result).toEqual({
    heard: ["Здравствуйте, Анна &amp; Ко! Заказ 1. Заказ 2. "], id: 21, other: true,
    day: "22 ноября 2026, 03:30", next: "28.02", span: 172800000, words: "2 minutes",
  });
});
