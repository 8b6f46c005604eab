import { clock, expect, inbound, streams, test } from "loopstart:test";

const address = "wss://agent.example.com/media";

test("the caller and the agent hear each other", async () => {
  const bot = streams.on(address);
  const c = await inbound({ to: "streamed" });
  const start = await bot.connected();
  expect(start.customParameters).toEqual({ caller: "+79161234567", lang: "ru" });
  expect(start.mediaFormat).toEqual({ encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 });
  await bot.says("Hello, what can I do for you?");
  await c.hears(/what can I do/);
  await c.says("Where is my order?");
  await bot.hears(/my order/);
  c.press("5");
  const long = bot.says("Let me see, this is a very long sentence that nobody will listen to");
  bot.mark("long");
  await c.hears(/Let me see/);
  bot.clear();
  await long;
  await bot.sends({ say: "prompt" });
  await c.hears("One moment");
  await bot.stop();
  await c.hears("Goodbye");
  const record = await c.ended();
  expect(record.result).toContain("open 0");
  expect(record.result).toContain("mark long false");
  expect(record.result).toContain("ended by server");
  expect(bot.digits).toBe("5");
  expect(bot.marks).toEqual(["long"]);
  expect(bot.messages.map((m) => m.event)).toEqual(["connected", "start", "mark", "dtmf", "mark", "mark", "message"]);
});

test("l16 is heard too", async () => {
  const bot = streams.on(/agent/);
  const c = await inbound({ to: "streamed", data: { format: "l16" } });
  expect((await bot.connected()).mediaFormat.encoding).toBe("audio/x-l16");
  bot.says("In sixteen bits");
  await c.hears("sixteen bits");
  c.says("Loud and clear");
  await bot.hears("and clear");
  await bot.sends({ say: "stop" });
  await c.hears("Goodbye");
  expect((await c.ended()).result).toContain("ended by script");
});

test("a lost connection is opened again, twice", async () => {
  const bot = streams.on(address);
  const c = await inbound({ to: "streamed" });
  await bot.connected();
  await bot.drops();
  await clock.pass("300ms");
  expect((await bot.connected()).reconnect).toBe(1);
  bot.says("Here I am again");
  await c.hears("again");
  bot.refuses();
  await bot.drops();
  await c.hears("operator will call");
  expect((await c.ended()).result).toEqual(["open 0", "lost 1", "open 1", "mark said 1 true", "lost 2", "NETWORK"]);
  expect(bot.connections).toBe(2);
});

test("who hangs up ends the stream", async () => {
  const bot = streams.on(address);
  const c = await inbound({ to: "streamed" });
  await bot.connected();
  bot.sends("garbage");
  await clock.pass("1s");
  await c.hangup();
  const record = await c.ended();
  expect(record.result).toEqual(["open 0", "error", "ended by caller"]);
  expect(bot.messages[bot.messages.length - 1].event).toBe("stop");
  expect(c.timeline.filter((e) => e.kind === "stream").map((e) => e.detail)[0]).toBe("start c1.1-s1 wss://agent.example.com/media");
});

test("the server is not there", async () => {
  streams.on(address).refuses("no route to host");
  const c = await inbound({ to: "streamed" });
  await c.hears("operator will call");
  expect((await c.ended()).result).toEqual(["NETWORK"]);
});
