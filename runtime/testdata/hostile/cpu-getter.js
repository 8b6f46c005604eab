// A getter that loops.
// light: alone
// full: alone
export default async function (call) {
  return ({ get a() { for (;;) { } } }).a;
}
