// A backtracking replace at each of 100,000 places in one call.
// light: harmless or replaced
// full: alone
export default async function (call) {
  return ("a".repeat(30) + "!").repeat(3000).replace(/((a+)+)\2\2$x/g, "").length;
}
