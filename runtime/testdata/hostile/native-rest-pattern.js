// The same in a pattern with a rest element.
// light: alone or replaced
// full: alone
export default async function (call) {
  const [...all] = { [Symbol.iterator]: () => ({ next: Object }) };
  return all.length;
}
