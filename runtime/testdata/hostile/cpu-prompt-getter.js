// A part of a prompt with a getter that loops.
// light: alone
// full: alone
export default async function (call) {
  await call.say([{ get money() { for (;;) { } } }]);
}
