// The same in new Set.
// light: replaced
// full: alone
export default async function (call) {
  return new Set({ [Symbol.iterator]: () => ({ next: Object }) }).size;
}
