// The same in a parameter.
// light: alone or replaced
// full: alone
export default async function (call) {
  return (([first, ...all]) => all)({ [Symbol.iterator]: () => ({ next: Object }) }).length;
}
