// A pattern of 100,000 brackets made at run time.
// light: harmless or alone or replaced
// full: alone
export default async function (call) {
  return new RegExp("(".repeat(1e5) + ")".repeat(1e5)).test("a");
}
