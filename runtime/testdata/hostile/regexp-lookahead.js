// Backtracking behind a lookahead, again and again.
// light: alone
// full: alone
export default async function (call) {
  for (;;) /^(?=(a+)+\1b)c/.test("a".repeat(40));
}
