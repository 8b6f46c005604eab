// Recursion that branches.
// light: alone
// full: alone
export default async function (call) {
  const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
  return fib(60);
}
