// A list iterator over 2^53 elements.
// light: alone or replaced
// full: alone
export default async function (call) {
  return [...Array.prototype.values.call({ length: 2 ** 53 })].length;
}
