// An error that loops when it is read.
// light: alone
// full: alone
export default async function (call) {
  throw new Proxy({}, { get() { for (;;) { } }, getPrototypeOf() { for (;;) { } }, has() { for (;;) { } } });
}
