// A Map that grows.
// light: alone
// full: alone
export default async function (call) {
  const m = new Map();
  for (let i = 0; ; i++) m.set(i, { i });
}
