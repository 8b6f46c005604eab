// A length that is small when it is checked and huge when it is used.
// light: harmless
// full: harmless
export default async function (call) {
  let n = 0;
  return [].indexOf.call({ get length() { return n++ ? 2 ** 53 : 1 } }, 1);
}
