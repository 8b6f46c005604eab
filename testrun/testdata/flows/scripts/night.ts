import { flow } from "loopstart:flow";

export default flow(async (f) => {
  await f.sleepUntil("23:00");
  const asked: string[] = [];
  const call = await f.call({
    script: "parcel", to: f.data.phone, window: "09:00-21:00", zone: "callee", tries: 2, every: "5m",
    unless: () => { asked.push(new Date().toISOString()); return f.data.skip && asked[0]; },
  });
  try {
    await f.call({ script: "night", to: f.data.phone });
  } catch (e) {
    return { call, code: e.code };
  }
});
