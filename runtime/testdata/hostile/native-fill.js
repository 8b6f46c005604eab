// fill of ten million elements.
// light: alone or replaced
// full: alone
export default async function (call) {
  new Array(3e7).fill(0);
  for (;;) { }
}
