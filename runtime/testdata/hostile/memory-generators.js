// Generators that wait.
// light: alone
// full: alone
export default async function (call) {
  function* g() { yield 1 }
  const keep = [];
  for (;;) { const it = g(); it.next(); keep.push(it); }
}
