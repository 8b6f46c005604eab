// repeat with a count that is an object.
// light: replaced
// full: alone
export default async function (call) {
  return "x".repeat({ valueOf: () => 2 ** 40 }).length;
}
