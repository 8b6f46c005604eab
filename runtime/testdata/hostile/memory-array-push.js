// A list that grows.
// light: alone
// full: alone
export default async function (call) {
  const a = [];
  for (;;) a.push(new Array(100).fill(7));
}
