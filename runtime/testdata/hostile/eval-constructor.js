// The same through constructors of functions.
// light: alone
// full: alone
export default async function (call) {
  return (async () => { }).constructor("return 1")();
}
