// toString that calls itself through join.
// light: alone
// full: alone
export default async function (call) {
  const a = [];
  a[0] = { toString: () => a.concat([a[0]]).join() };
  return String(a);
}
