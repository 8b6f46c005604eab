// A buffer of a terabyte.
// light: alone or replaced
// full: alone
export default async function (call) {
  return new ArrayBuffer(2 ** 40).byteLength;
}
