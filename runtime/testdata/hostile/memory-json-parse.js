// JSON.parse of ten million brackets.
// light: replaced
// full: alone
export default async function (call) {
  return JSON.parse("[".repeat(1e7));
}
