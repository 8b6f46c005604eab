// structuredClone of lists that stand in several places.
// light: alone or replaced
// full: alone
export default async function (call) {
  let p = ["a"]; for (let i = 0; i < 40; i++) p = [p, { p }];
  const q = structuredClone(p); return JSON.stringify(q).length;
}
