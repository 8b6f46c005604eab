// A typed array made of another one, element by element.
// light: alone or replaced
// full: alone
export default async function (call) {
  const keep = []; let a = new Uint8Array(1 << 23);
  for (;;) { keep.push(a.slice(), Uint8Array.from(a), new Float64Array(a)); }
}
