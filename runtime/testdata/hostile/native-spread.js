// A spread whose iterator is a built-in that never ends.
// light: alone or replaced
// full: alone
export default async function (call) {
  return [...{ [Symbol.iterator]: () => ({ next: Object }) }].length;
}
