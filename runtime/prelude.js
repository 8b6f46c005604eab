// Runs first in every VM; each line costs every call, so what few scripts need
// is asked for. `refuse` throws; what is returned serves the loop.
(function (refuse, symbols, generators) {
  "use strict";
  const define = Object.defineProperty;
  if (symbols) {
    // esbuild's helpers for lowered syntax look for these very symbols.
    define(Symbol, "asyncIterator", { value: Symbol.for("Symbol.asyncIterator") });
    define(Symbol, "dispose", { value: Symbol.for("Symbol.dispose") });
    define(Symbol, "asyncDispose", { value: Symbol.for("Symbol.asyncDispose") });
  }
  // No code from strings: the constructors are also reachable from prototypes.
  delete globalThis.eval;
  const plain = Function.prototype;
  define(refuse, "prototype", { value: plain });
  define(plain, "constructor", { value: refuse });
  define(Object.getPrototypeOf(async function () {}), "constructor", { value: refuse });
  if (generators) {
    define(Object.getPrototypeOf(function* () {}), "constructor", { value: refuse });
  }
  define(globalThis, "Function", { value: refuse, writable: true, configurable: true });

  const P = Promise, then = plain.call.bind(P.prototype.then), done = P.resolve();
  return {
    watch: (value, ok, bad) => { then(value instanceof P ? value : P.resolve(value), ok, bad); },
    microtask: (fn) => { then(done, () => { fn(); }); },
  };
});
