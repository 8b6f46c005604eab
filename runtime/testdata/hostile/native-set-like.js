// union with a set-like object whose keys never end.
// light: alone or replaced
// full: alone
export default async function (call) {
  return new Set().union({ size: 1, has: Boolean, keys: () => ({ next: Object }) }).size;
}
