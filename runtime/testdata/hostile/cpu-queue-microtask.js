// A microtask that queues itself.
// light: alone
// full: alone
export default async function (call) {
  const again = () => queueMicrotask(again);
  again();
}
