// A proxy that is its own prototype.
// light: replaced
// full: alone
export default async function (call) {
  const t = {};
  Object.setPrototypeOf(t, new Proxy(t, {}));
  return t.x;
}
