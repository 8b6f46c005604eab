// Labels in a generator that goes on in finally.
// light: harmless
// full: harmless
export default async function (call) {
  function* g() { outer: for (;;) { try { for (;;) { yield 1; continue outer; } } finally { continue outer; } } }
  for (const x of g()) break;
}
