// A built-in called for every element of a large buffer, again and again.
// light: alone or replaced
// full: alone or replaced
export default async function (call) {
  const b = new Uint8Array(16e6);
  for (;;) b.map(Math.abs);
}
