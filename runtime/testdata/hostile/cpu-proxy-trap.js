// A trap of a proxy that loops.
// light: alone
// full: alone
export default async function (call) {
  return new Proxy({}, { get() { for (;;) { } } }).x;
}
