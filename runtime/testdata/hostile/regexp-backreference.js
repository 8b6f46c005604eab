// A backtracking match without end, silently cut off by the engine.
// light: harmless
// full: alone
export default async function (call) {
  return /^((a+)+)\2$/.test("a".repeat(40) + "!");
}
