// Proxies of proxies.
// light: alone or replaced
// full: alone
export default async function (call) {
  let p = {};
  for (let i = 0; i < 5e5; i++) p = new Proxy(p, {});
  return p.x;
}
