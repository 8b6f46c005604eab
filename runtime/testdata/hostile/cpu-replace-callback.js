// A replacer that never returns.
// light: alone
// full: alone
export default async function (call) {
  "a".replace("a", () => { for (;;) { } });
}
