// Listeners that are added without end.
// light: alone or replaced
// full: alone
export default async function (call) {
  for (;;) call.on("digit", () => new Array(100));
}
