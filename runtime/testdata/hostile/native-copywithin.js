// copyWithin over 2^53 elements.
// light: replaced
// full: alone
export default async function (call) {
  return [].copyWithin.call({ length: 2 ** 53 }, 0, 1);
}
