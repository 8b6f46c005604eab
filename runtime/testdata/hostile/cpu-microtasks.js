// Promises that follow each other without end.
// light: alone
// full: alone
export default async function (call) {
  for (;;) await null;
}
