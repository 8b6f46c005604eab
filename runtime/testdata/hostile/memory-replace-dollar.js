// A replacement that names the rest of the text at each place.
// light: alone or replaced
// full: alone
export default async function (call) {
  return "x".repeat(1e6).replaceAll("x", "$'").length;
}
