// An endless loop.
// light: alone
// full: alone
export default async function (call) {
  for (;;) {}
}
