// Bound functions of bound functions.
// light: alone or replaced
// full: alone
export default async function (call) {
  let f = () => 1;
  for (let i = 0; i < 5e5; i++) f = f.bind();
  return f();
}
