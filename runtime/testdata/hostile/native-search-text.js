// A long text searched in a longer one, both Russian.
// light: alone or replaced
// full: alone
export default async function (call) {
  const a = "я".repeat(2e6);
  for (;;) a.indexOf("я".repeat(1e6) + "ю");
}
