// A million timers.
// light: alone
// full: alone
export default async function (call) {
  for (let i = 0; i < 1e6; i++) setTimeout(() => { }, 1e6);
}
