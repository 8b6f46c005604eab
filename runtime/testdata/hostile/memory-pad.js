// padEnd to a gigabyte, kept.
// light: alone or replaced
// full: alone
export default async function (call) {
  const keep = [];
  for (;;) keep.push("x".padEnd(2 ** 29 + keep.length));
}
