// An async iterator that is ready each time, in a hundred loops.
// light: alone or replaced
// full: alone
export default async function (call) {
  const flood = { [Symbol.asyncIterator]() { return { next: async () => ({ value: 1, done: false }) }; } };
  await Promise.all(Array.from({ length: 100 }, async () => { for await (const x of flood); }));
}
