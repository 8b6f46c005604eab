// Intl.NumberFormat and Intl.DateTimeFormat (ECMA-402) for ru, en and kk;
// the words are native.
(function (native) {
  const numberOptions = ["style", "currency", "currencyDisplay", "minimumIntegerDigits", "minimumFractionDigits", "maximumFractionDigits", "useGrouping", "signDisplay"];
  const dateOptions = ["dateStyle", "timeStyle", "weekday", "year", "month", "day", "hour", "minute", "second", "hour12", "timeZone", "timeZoneName"];
  const read = (options, names) => {
    const out = {};
    for (const name of names) if (options && options[name] !== undefined) out[name] = options[name];
    return out;
  };
  const first = (locales) => native.locale(Array.isArray(locales) ? locales[0] : locales);
  const text = (parts) => parts.map((p) => p.value).join("");

  class NumberFormat {
    #locale; #options;
    constructor(locales, options) {
      this.#locale = first(locales);
      this.#options = read(options, numberOptions);
      native.number(0, this.#locale, this.#options); // complains now and not later
      this.format = (n) => text(this.formatToParts(n));
    }
    formatToParts(n) { return native.number(Number(n), this.#locale, this.#options); }
    resolvedOptions() { return { locale: this.#locale, numberingSystem: "latn", style: "decimal", ...this.#options }; }
    static supportedLocalesOf(locales) { return [].concat(locales).filter((l) => /^(ru|en|kk)\b/.test(l)); }
  }

  class DateTimeFormat {
    #locale; #options;
    constructor(locales, options) {
      this.#locale = first(locales);
      this.#options = read(options, dateOptions);
      this.#options.timeZone = native.zone(this.#options.timeZone);
      native.date(0, this.#locale, this.#options, "date");
      this.format = (d) => text(this.formatToParts(d));
    }
    formatToParts(d) {
      const ms = d === undefined ? Date.now() : Number(d);
      if (!(Math.abs(ms) <= 8.64e15)) throw new RangeError("Invalid time value");
      return native.date(ms, this.#locale, this.#options, "date");
    }
    resolvedOptions() { return { locale: this.#locale, calendar: "gregory", numberingSystem: "latn", ...this.#options }; }
    static supportedLocalesOf(locales) { return NumberFormat.supportedLocalesOf(locales); }
  }

  const dates = (needs) => function (locales, options) {
    const ms = this.getTime();
    if (ms !== ms) return "Invalid Date";
    const o = read(options, dateOptions);
    o.timeZone = native.zone(o.timeZone);
    return text(native.date(ms, first(locales), o, needs));
  };
  return {
    Intl: { NumberFormat, DateTimeFormat, getCanonicalLocales: (l) => [].concat(l === undefined ? [] : l).map(String) },
    number: function (locales, options) { return new NumberFormat(locales, options).format(this); },
    toLocaleString: dates("any"), toLocaleDateString: dates("date"), toLocaleTimeString: dates("time"),
  };
});
