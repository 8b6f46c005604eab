// A chain of then that grows by itself.
// light: alone
// full: alone
export default async function (call) {
  const again = () => Promise.resolve().then(again);
  await again();
}
