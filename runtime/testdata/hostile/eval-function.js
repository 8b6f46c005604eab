// A million brackets given to Function.
// light: alone
// full: alone
export default async function (call) {
  return new Function("(".repeat(1e6))();
}
