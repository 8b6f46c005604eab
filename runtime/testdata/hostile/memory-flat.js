// flat of the same.
// light: alone or replaced
// full: alone
export default async function (call) {
  let a = ["x"];
  for (let i = 0; i < 40; i++) a = [a, a];
  return a.flat(Infinity).length;
}
