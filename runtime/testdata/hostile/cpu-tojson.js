// A loop in toJSON, called while the result is read.
// light: harmless
// full: harmless
export default async function (call) {
  call.result = { toJSON() { for (;;) { } } };
  return;
}
