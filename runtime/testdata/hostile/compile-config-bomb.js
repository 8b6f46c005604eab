// A static config of four terabytes.
// light: refused
// full: refused
export const config = { language: "x".repeat(2 ** 42) };
export default function () { }
