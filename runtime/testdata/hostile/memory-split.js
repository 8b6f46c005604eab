// split of a long text into characters.
// light: alone or replaced
// full: alone
export default async function (call) {
  let t = "x".repeat(3e6);
  const keep = [];
  for (;;) keep.push(t.split(""));
}
