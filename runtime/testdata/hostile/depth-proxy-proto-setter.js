// The same through __proto__.
// light: replaced
// full: alone
export default async function (call) {
  const t = {};
  t.__proto__ = new Proxy(t, {});
  return t.x;
}
