import dayjs from "dayjs";
import "dayjs/locale/ru";
import timezone from "dayjs/plugin/timezone";
import utc from "dayjs/plugin/utc";
import EventEmitter from "eventemitter3";
import ms from "ms";
import Mustache from "mustache";
import { nanoid } from "nanoid";
import type { Call } from "loopstart:call";

dayjs.extend(utc);
dayjs.extend(timezone);

// Packages that need no Node API, as they come from npm.
export default async function (call: Call) {
  await call.answer();
  const bus = new EventEmitter();
  const heard: string[] = [];
  bus.once("said", (text: string) => heard.push(text));
  const text = Mustache.render("Здравствуйте, {{name}}! {{#orders}}Заказ {{.}}. {{/orders}}", { name: "Анна & Ко", orders: [1, 2] });
  bus.emit("said", text);
  bus.emit("said", "again");
  const day = dayjs("2026-11-21T22:30:00Z").tz("Asia/Almaty").locale("ru");
  call.result = { heard, id: nanoid().length, other: nanoid() !== nanoid(), day: day.format("D MMMM YYYY, HH:mm"), next: dayjs("2026-01-31").add(1, "month").format("DD.MM"), span: ms("2 days"), words: ms(90_000, { long: true }) };
}
