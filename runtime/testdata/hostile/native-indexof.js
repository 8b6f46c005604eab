// indexOf on a list of 2^53 elements.
// light: replaced
// full: alone
export default async function (call) {
  return [].indexOf.call({ length: 2 ** 53 }, 1);
}
