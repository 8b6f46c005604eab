// The keys of a text of millions of characters.
// light: alone or replaced
// full: alone
export default async function (call) {
  const keep = [];
  for (;;) keep.push(Object.keys("x".repeat(4e6)));
}
