// The same in the arguments of a call.
// light: alone or replaced
// full: alone
export default async function (call) {
  return Math.max(...{ [Symbol.iterator]: () => ({ next: Object }) });
}
