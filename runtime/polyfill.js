// What ES2024 has and goja lacks; runs only if the bundle mentions one of them.
(function () {
  "use strict";
  const add = (target, name, value) => {
    if (!(name in target)) Object.defineProperty(target, name, { value, writable: true, configurable: true });
  };
  add(Promise, "withResolvers", function withResolvers() {
    let resolve, reject;
    const promise = new this((ok, bad) => { resolve = ok; reject = bad; });
    return { promise, resolve, reject };
  });
  add(Promise, "try", function (fn, ...args) {
    return new this((resolve) => resolve(fn(...args)));
  });
  add(Object, "groupBy", function groupBy(items, keyOf) {
    const groups = Object.create(null);
    let i = 0;
    for (const item of items) {
      const key = keyOf(item, i++);
      (groups[key] ??= []).push(item);
    }
    return groups;
  });
  add(Map, "groupBy", function groupBy(items, keyOf) {
    const groups = new Map();
    let i = 0;
    for (const item of items) {
      const key = keyOf(item, i++);
      if (groups.has(key)) groups.get(key).push(item);
      else groups.set(key, [item]);
    }
    return groups;
  });
  add(Array, "fromAsync", async function fromAsync(items, map) {
    const out = [];
    const asyncIterator = items[Symbol.asyncIterator];
    if (asyncIterator === undefined) {
      for (const item of items[Symbol.iterator] ? items : Array.from(items)) {
        out.push(map ? await map(await item, out.length) : await item);
      }
      return out;
    }
    const iterator = asyncIterator.call(items);
    for (;;) {
      const { done, value } = await iterator.next();
      if (done) return out;
      out.push(map ? await map(value, out.length) : value);
    }
  });
});
