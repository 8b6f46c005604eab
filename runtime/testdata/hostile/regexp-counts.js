// Counts that multiply to a billion.
// light: refused
// full: refused
export default async function (call) {
  return /(((a{1000}){1000}){1000})/.test("a");
}
