// A text that doubles.
// light: alone or replaced
// full: alone or replaced
export default async function (call) {
  let t = "x";
  for (;;) t += t;
}
