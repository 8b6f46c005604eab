// An endless loop that catches everything and starts again.
// light: alone
// full: alone
export default async function (call) {
  for (;;) try { for (;;) {} } catch { } finally { continue }
}
