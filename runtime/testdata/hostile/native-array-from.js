// The same in Array.from.
// light: alone or replaced
// full: alone
export default async function (call) {
  return Array.from({ [Symbol.iterator]: () => ({ next: Object }) }).length;
}
