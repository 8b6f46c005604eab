// eval.
// light: alone
// full: alone
export default async function (call) {
  return (0, eval)("1");
}
