// A request of a hundred megabytes.
// light: alone or replaced
// full: alone
export default async function (call) {
  await fetch("https://example.com/", { method: "POST", body: "x".repeat(1e8) });
}
