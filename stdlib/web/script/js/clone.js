// structuredClone (WHATWG HTML §2.7) for what scripts have.
(function (native) {
  const errors = { Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError };
  function refuse(value) {
    throw new DOMException(typeof value === "symbol" ? "a symbol could not be cloned" : "a " + (typeof value === "function" ? "function" : Object.prototype.toString.call(value).slice(8, -1)) + " could not be cloned", "DataCloneError");
  }

  function structuredClone(value) {
    const seen = new Map();
    const clone = (v) => {
      if (typeof v === "symbol" || typeof v === "function") refuse(v);
      if (typeof v !== "object" || v === null) return v;
      if (seen.has(v)) return seen.get(v);
      const remember = (copy) => { seen.set(v, copy); return copy; };
      const kind = Object.prototype.toString.call(v).slice(8, -1);
      switch (kind) {
        case "Boolean": case "Number": case "String": return remember(Object(v.valueOf()));
        case "Date": return remember(new Date(v.getTime()));
        case "RegExp": return remember(new RegExp(v.source, v.flags));
        case "ArrayBuffer": return remember(v.slice(0));
        case "Map": {
          const copy = remember(new Map());
          for (const [a, b] of [...v]) copy.set(clone(a), clone(b));
          return copy;
        }
        case "Set": {
          const copy = remember(new Set());
          for (const a of [...v]) copy.add(clone(a));
          return copy;
        }
        case "Error": {
          const copy = remember(new (errors[v.name] || Error)(v.message));
          if ("cause" in v) copy.cause = clone(v.cause);
          return copy;
        }
        case "Promise": case "WeakMap": case "WeakSet": return refuse(v);
      }
      if (ArrayBuffer.isView(v)) {
        const buffer = clone(v.buffer);
        return remember(kind === "DataView" ? new DataView(buffer, v.byteOffset, v.byteLength) : new v.constructor(buffer, v.byteOffset, v.length));
      }
      const copy = remember(Array.isArray(v) ? new Array(v.length) : {});
      for (const name of Object.keys(v)) {
        Object.defineProperty(copy, name, { value: clone(v[name]), writable: true, enumerable: true, configurable: true });
      }
      return copy;
    };
    return clone(value);
  }
  return { structuredClone };
});
