import { asr, expect, inbound, streams, test, user } from "loopstart:test";

const address = "ws://127.0.0.1:9300/media";

test("the agent answers and says goodbye", async () => {
  const agent = streams.on(address);
  const c = await inbound({ to: "agent" });
  const start = await agent.connected();
  expect(start.customParameters).toEqual({ from: "+79161234567", language: "en" });
  agent.says("Hello, how can I help?");
  await c.hears(/how can I help/);
  c.says("When are you open?");
  await agent.hears(/open/);
  await agent.says("From nine to six.");
  await agent.stop();
  await c.hears(/Goodbye/);
  expect((await c.ended()).result).toMatchObject({ endedBy: "server", operator: false });
});

test("a caller who interrupts is listened to", async () => {
  const agent = streams.on(address);
  const c = await inbound({ to: "agent" });
  await agent.connected();
  const monologue = agent.says("Our company was founded a very long time ago in a small town by the sea");
  await c.hears(/founded/);
  c.says("Stop");
  await agent.hears("Stop");
  agent.clear();
  await monologue;
  await c.hangup();
  expect((await c.ended()).result).toMatchObject({ endedBy: "caller" });
});

test("the agent asks for an operator, the caller says yes", async () => {
  user.answers();
  const agent = streams.on(address);
  const c = await inbound({ to: "agent" });
  await agent.connected();
  await agent.sends({ intent: "operator" });
  await c.hears(/Say yes/);
  await c.says("Yes please");
  await user("101").answered();
  await user("101").hears(/agent/);
  user("101").says("Sales, good morning");
  await c.hears(/good morning/);
  c.hangup();
  expect((await c.ended()).outcome).toBe("talked");
});

test("an agent that is not there, and a caller whom nobody understands", async () => {
  streams.on(address).refuses();
  asr.on("mumble").replies("");
  const c = await inbound({ to: "agent" });
  await c.hears(/Say yes/);
  await c.says("mumble mumble");
  await c.hears(/Say yes/);
  await c.says("no");
  await c.hears(/goodbye/);
  expect((await c.ended()).result).toEqual({ endedBy: "error", code: "NETWORK", operator: true });
});
