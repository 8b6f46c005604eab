// Nested quantifiers, which the linear engine takes.
// light: harmless
// full: harmless
export default async function (call) {
  return /^(a+)+$/.test("a".repeat(5000) + "!");
}
