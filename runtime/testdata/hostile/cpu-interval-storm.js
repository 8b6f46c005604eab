// A thousand intervals of a millisecond, each busy.
// light: alone
// full: alone
export default async function (call) {
  for (let i = 0; i < 1000; i++) setInterval(() => { for (let k = 0; k < 1e3; k++); }, 1);
  await new Promise(r => setTimeout(r, 50));
  for (;;) { }
}
