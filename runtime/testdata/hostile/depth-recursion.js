// Recursion without end.
// light: alone
// full: alone
export default async function (call) {
  const f = () => f() + 1;
  return f();
}
