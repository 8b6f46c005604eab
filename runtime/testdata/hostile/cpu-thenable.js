// A thenable whose then loops.
// light: alone
// full: alone
export default async function (call) {
  await { then() { for (;;) { } } };
}
