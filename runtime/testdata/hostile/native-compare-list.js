// A long text searched in a list of texts that differ at the end.
// light: alone or replaced
// full: alone
export default async function (call) {
  const a = "x".repeat(2e6);
  return new Array(2e5).fill(a + "y").indexOf(a + "z");
}
