// A loop in valueOf, called by an operator.
// light: alone
// full: alone
export default async function (call) {
  return +{ valueOf() { for (;;) { } } };
}
