// Closures that keep each other.
// light: alone
// full: alone
export default async function (call) {
  let f = () => 0;
  for (;;) { const g = f; f = () => g; }
}
