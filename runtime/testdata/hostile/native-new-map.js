// A Map of an iterator that is a bound built-in.
// light: replaced
// full: alone
export default async function (call) {
  const next = Array.prototype.at.bind([{ value: [1, 2] }], 0);
  return new Map({ [Symbol.iterator]: () => ({ next }) }).size;
}
