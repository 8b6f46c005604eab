// String.raw of a template of 2^53 parts.
// light: alone or replaced
// full: alone
export default async function (call) {
  return String.raw({ raw: { length: 2 ** 53 } });
}
