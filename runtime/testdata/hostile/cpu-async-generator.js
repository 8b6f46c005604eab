// An async generator without end.
// light: alone
// full: alone
export default async function (call) {
  async function* g() { for (;;) yield 1 }
  for await (const x of g()) { }
}
