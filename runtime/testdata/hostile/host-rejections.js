// A hundred thousand rejected promises.
// light: alone
// full: alone
export default async function (call) {
  for (let i = 0; i < 1e5; i++) Promise.reject(new Error("x" + i));
}
