// A log line of a value that is huge and lies.
// light: harmless or alone
// full: alone or harmless
export default async function (call) {
  let a = ["x".repeat(1e5)];
  for (let i = 0; i < 30; i++) a = [a, a];
  console.log(a, { toString() { for (;;) { } } }, new Proxy({}, { get() { return "y" } }));
}
