// A result that is set a million times.
// light: alone or replaced or harmless
// full: alone or harmless
export default async function (call) {
  for (let i = 0; i < 1e6; i++) call.result = { i, text: "x".repeat(1000) };
}
