// A prompt that contains itself.
// light: alone or replaced
// full: alone
export default async function (call) {
  const p = []; p.push(p, p);
  await call.say(p);
}
