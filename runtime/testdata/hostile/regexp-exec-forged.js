// A forged exec whose matches are empty, without end.
// light: alone or replaced
// full: alone
export default async function (call) {
  const r = /a/g;
  r.exec = () => ({ index: 0, 0: "a", length: 1 });
  "aaaa".replace(r, "b");
}
