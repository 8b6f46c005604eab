// An endless built-in entered from the script's own timer, when the host is silent.
// light: replaced
// full: alone
export default async function (call) {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const next = Array.prototype.at.bind([{ value: [1, 2] }], 0);
  return new Map({ [Symbol.iterator]: () => ({ next }) }).size;
}
