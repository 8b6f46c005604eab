// JSON.stringify of a very deep value.
// light: harmless or alone or replaced
// full: alone
export default async function (call) {
  let o = {};
  for (let i = 0; i < 2e4; i++) o = { o };
  return JSON.stringify(o).length;
}
