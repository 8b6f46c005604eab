// JSON.stringify of values that stand in several places.
// light: alone or replaced
// full: alone
export default async function (call) {
  let a = [1];
  for (let i = 0; i < 40; i++) a = [a, a];
  return JSON.stringify(a).length;
}
