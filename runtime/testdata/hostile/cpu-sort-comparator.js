// A comparator that never returns.
// light: alone
// full: alone
export default async function (call) {
  [2, 1].sort(() => { for (;;) { } });
}
