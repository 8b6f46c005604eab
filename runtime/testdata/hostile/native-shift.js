// shift of 2^53 elements.
// light: replaced
// full: alone
export default async function (call) {
  return [].shift.call({ length: 2 ** 53 });
}
