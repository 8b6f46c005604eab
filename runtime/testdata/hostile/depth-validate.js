// A recursion in validate, a getter among the options.
// light: alone
// full: alone
export default async function (call) {
  const o = { get validate() { return d => o.validate(d); }, get digits() { return this.digits; } };
  await call.gather(o);
}
