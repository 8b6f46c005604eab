// apply with four billion arguments.
// light: replaced
// full: alone
export default async function (call) {
  return Math.max.apply(0, { length: 4e9 });
}
