// A thousand requests at once.
// light: alone
// full: alone
export default async function (call) {
  await Promise.all(Array.from({ length: 1000 }, () => fetch("https://example.com/")));
}
