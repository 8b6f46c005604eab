// every on a list of 2^53 holes.
// light: replaced
// full: alone
export default async function (call) {
  return [].every.call({ length: 2 ** 53 }, Object);
}
