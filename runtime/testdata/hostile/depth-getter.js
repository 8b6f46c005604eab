// A getter that reads itself.
// light: alone
// full: alone
export default async function (call) {
  const o = { get a() { return this.a } };
  return o.a;
}
