// join of lists that stand in several places: 2^40 elements.
// light: alone or replaced
// full: alone
export default async function (call) {
  let a = ["x"];
  for (let i = 0; i < 40; i++) a = [a, a];
  return String(a).length;
}
