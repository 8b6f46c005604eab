// performance: milliseconds since it was first asked (W3C High Resolution Time),
// on the clock of the script.
(function () {
  class Performance {
    #origin = Date.now();
    get timeOrigin() { return this.#origin; }
    now() { return Date.now() - this.#origin; }
    toJSON() { return { timeOrigin: this.#origin }; }
  }
  return { performance: new Performance() };
});
