// Buffers of 64 MB, one after another.
// light: alone or replaced
// full: alone
export default async function (call) {
  const keep = [];
  for (;;) keep.push(new Uint8Array(64e6).fill(1));
}
