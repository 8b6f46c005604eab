// join of a list that repeats a long text.
// light: alone or replaced
// full: alone
export default async function (call) {
  return new Array(1e5).fill("x".repeat(1e5)).join("").length;
}
