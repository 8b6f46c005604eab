// A static config that never ends.
// light: refused
// full: refused
export const config = { get language() { for (;;) { } } };
export default function () { }
