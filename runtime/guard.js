// What the full guard needs to be written in the language itself: here the
// engine can be interrupted between two values of an iterator.
(function () {
  "use strict";
  const define = Object.defineProperty;
  return {
    listIterator: Object.getPrototypeOf([][Symbol.iterator]()),
    // All values of an iterable, undefined if there are more than max.
    drain: (values, max) => {
      const list = [];
      let n = 0;
      for (const value of values) {
        if (n >= max) return undefined;
        define(list, n++, { value, writable: true, enumerable: true, configurable: true });
      }
      return list;
    },
  };
});
