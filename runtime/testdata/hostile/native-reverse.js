// reverse of a long sparse list.
// light: replaced
// full: alone
export default async function (call) {
  return [].reverse.call({ length: 2 ** 53 });
}
