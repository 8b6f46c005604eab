// concat of lists with huge lengths.
// light: alone or replaced
// full: alone or replaced
export default async function (call) {
  const a = new Array(2 ** 27).fill(1);
  return a.concat(a, a, a, a, a, a, a).length;
}
