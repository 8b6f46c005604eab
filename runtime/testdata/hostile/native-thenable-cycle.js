// A promise that is settled by itself through bound built-ins only.
// light: alone or replaced
// full: alone
export default async function (call) {
  const t = {};
  t.then = Promise.prototype.then.bind(Promise.resolve(t));
  await t;
}
