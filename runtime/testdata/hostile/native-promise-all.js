// Promise.all of a built-in iterator without end.
// light: alone or replaced
// full: alone
export default async function (call) {
  return Promise.all({ [Symbol.iterator]: () => ({ next: Object }) });
}
