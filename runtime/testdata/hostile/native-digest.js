// Digests of 16 MB a thousand times at once.
// light: alone or replaced or harmless
// full: alone or harmless
export default async function (call) {
  const b = new Uint8Array(1 << 24);
  await Promise.all(Array.from({ length: 1000 }, () => crypto.subtle.digest("SHA-512", b)));
}
