// matchAll of a forged expression that never ends.
// light: alone
// full: alone
export default async function (call) {
  const r = /a/g;
  RegExp.prototype.exec = () => ["a"];
  return [..."aaaa".matchAll(r)].length;
}
