// repeat to four terabytes.
// light: replaced
// full: alone
export default async function (call) {
  return "x".repeat(2 ** 42).length;
}
