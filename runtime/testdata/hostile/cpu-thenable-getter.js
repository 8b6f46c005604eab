// A getter then that gives another such object.
// light: alone
// full: alone
export default async function (call) {
  const make = () => ({ get then() { return resolve => resolve(make()); } });
  await make();
}
