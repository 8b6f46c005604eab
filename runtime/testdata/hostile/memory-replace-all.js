// replaceAll that multiplies two long texts.
// light: alone or replaced
// full: alone
export default async function (call) {
  return "x".repeat(1e6).replaceAll("x", "y".repeat(1e6)).length;
}
