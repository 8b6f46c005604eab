// Backtracking in a lookbehind with a back reference, in a loop.
// light: alone or replaced
// full: alone
export default async function (call) {
  const text = "a".repeat(60) + "!";
  for (let i = 0; ; i++) { try { /(?<=^(a|a|aa)+)\1b/.test(text + i); } catch (e) { } }
}
