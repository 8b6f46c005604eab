// normalize and case of a long text, again and again.
// light: alone or replaced
// full: alone or replaced
export default async function (call) {
  let t = "\u0958".repeat(4e6);
  for (;;) t.normalize("NFD").toUpperCase();
}
