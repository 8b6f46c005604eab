// A very deep result of the call.
// light: alone
// full: alone
export default async function (call) {
  let o = {};
  for (let i = 0; i < 1000; i++) o = { o };
  call.result = o;
  await new Promise(r => setTimeout(r, 10));
}
