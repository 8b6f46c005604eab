// The constructor of a buffer found through an instance.
// light: alone or replaced
// full: alone
export default async function (call) {
  const hidden = Object.getPrototypeOf(new Uint8Array(1).buffer).constructor;
  return new hidden(2 ** 40).byteLength;
}
