// Object.fromEntries of the same.
// light: replaced
// full: alone
export default async function (call) {
  const next = Array.prototype.at.bind([{ value: ["a", 2] }], 0);
  return Object.fromEntries({ [Symbol.iterator]: () => ({ next }) });
}
