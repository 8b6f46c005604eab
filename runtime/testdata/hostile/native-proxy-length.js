// The same with a trap.
// light: harmless
// full: harmless
export default async function (call) {
  let n = 0;
  return [].includes.call(new Proxy([], { get: (t, k) => k === "length" ? (n++ ? 2 ** 53 : 1) : t[k] }), 1);
}
