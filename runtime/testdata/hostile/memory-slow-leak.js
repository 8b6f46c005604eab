// A leak of 4 MB in each of many slices.
// light: alone
// full: alone
export default async function (call) {
  const keep = [];
  for (;;) { for (let i = 0; i < 8000; i++) keep.push({ i, text: "t" + i }); await null; await new Promise(r => setTimeout(r, 1)); }
}
