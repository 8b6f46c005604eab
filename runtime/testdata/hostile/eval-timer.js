// Source text given to a timer.
// light: alone
// full: alone
export default async function (call) {
  setTimeout("for (;;) {}", 1);
}
