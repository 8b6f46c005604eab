// Runs first in every VM. `refuse` throws; what is returned serves the loop.
(function (refuse) {
  "use strict";
  // esbuild's helpers for lowered syntax look for these symbols.
  for (const name of ["asyncIterator", "dispose", "asyncDispose"]) {
    Object.defineProperty(Symbol, name, { value: Symbol.for("Symbol." + name) });
  }
  // No code from strings: the constructors are also reachable from prototypes.
  delete globalThis.eval;
  const kinds = [Function.prototype, Object.getPrototypeOf(async function () {}), Object.getPrototypeOf(function* () {})];
  Object.defineProperty(refuse, "prototype", { value: Function.prototype });
  for (const kind of kinds) {
    Object.defineProperty(kind, "constructor", { value: refuse });
  }
  Object.defineProperty(globalThis, "Function", { value: refuse, writable: true, configurable: true });

  const resolve = Promise.resolve.bind(Promise);
  const then = Function.prototype.call.bind(Promise.prototype.then);
  const done = resolve();
  return {
    watch: (value, ok, bad) => { then(resolve(value), ok, bad); },
    microtask: (fn) => { then(done, () => { fn(); }); },
  };
});
