// An endless loop while the module is loaded.
// light: refused
// full: refused
for (;;) {}
export default function () { }
