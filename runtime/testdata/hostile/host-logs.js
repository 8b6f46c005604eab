// A flood of log lines; those over the limit are dropped.
// light: alone
// full: alone
export default async function (call) {
  for (;;) console.log("x".repeat(1000));
}
