// URL and URLSearchParams (WHATWG URL); parsing is native.
(function (native) {
  const parts = ["href", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash", "origin"];

  class URLSearchParams {
    #list = [];
    #changed = null; // tells the URL that owns this one
    constructor(init = "") {
      if (init && typeof init === "object") {
        const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
        for (const pair of pairs) {
          const [name, value, ...more] = pair;
          if (value === undefined || more.length) throw new TypeError("URLSearchParams: each pair has a name and a value");
          this.#list.push([String(name), String(value)]);
        }
      } else {
        this.#list = native.parseForm(String(init).replace(/^\?/, ""));
      }
    }
    static own(params, text, changed) {
      params.#changed = changed;
      params.#list = native.parseForm(text);
    }
    #update() { if (this.#changed) this.#changed(this.toString()); }
    get size() { return this.#list.length; }
    append(name, value) { this.#list.push([String(name), String(value)]); this.#update(); }
    delete(name, value) {
      this.#list = this.#list.filter((p) => p[0] !== String(name) || (value !== undefined && p[1] !== String(value)));
      this.#update();
    }
    get(name) { const p = this.#list.find((p) => p[0] === String(name)); return p ? p[1] : null; }
    getAll(name) { return this.#list.filter((p) => p[0] === String(name)).map((p) => p[1]); }
    has(name, value) { return this.#list.some((p) => p[0] === String(name) && (value === undefined || p[1] === String(value))); }
    set(name, value) {
      const i = this.#list.findIndex((p) => p[0] === String(name));
      if (i < 0) return this.append(name, value);
      this.#list = this.#list.filter((p, j) => j <= i || p[0] !== String(name));
      this.#list[i] = [String(name), String(value)];
      this.#update();
    }
    sort() { this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); this.#update(); }
    forEach(fn, self) { for (const [name, value] of this.#list) fn.call(self, value, name, this); }
    *entries() { for (const p of this.#list) yield [...p]; }
    *keys() { for (const p of this.#list) yield p[0]; }
    *values() { for (const p of this.#list) yield p[1]; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return native.formatForm(this.#list); }
  }
  const own = URLSearchParams.own;
  delete URLSearchParams.own;

  class URL {
    #is = null;
    #params = null;
    constructor(url, base) {
      const found = native.parseURL(String(url), base === undefined ? undefined : String(base));
      if (!found) throw new TypeError("Invalid URL: " + String(url).slice(0, 200));
      this.#is = found;
    }
    static canParse(url, base) { return !!native.parseURL(String(url), base === undefined ? undefined : String(base)); }
    static parse(url, base) { return URL.canParse(url, base) ? new URL(url, base) : null; }
    static get(url, part) { return url.#is[part]; }
    static set(url, part, value) {
      const found = native.setURL(url.#is.href, part, String(value));
      if (!found) {
        if (part === "href") throw new TypeError("Invalid URL: " + String(value).slice(0, 200));
        return;
      }
      url.#is = found;
      if (url.#params && (part === "href" || part === "search")) own(url.#params, found.search.slice(1), url.#setSearch);
    }
    #setSearch = (text) => { this.#is = native.setURL(this.#is.href, "search", text); };
    get searchParams() {
      if (!this.#params) {
        this.#params = new URLSearchParams();
        own(this.#params, this.#is.search.slice(1), this.#setSearch);
      }
      return this.#params;
    }
    toString() { return this.#is.href; }
    toJSON() { return this.#is.href; }
  }
  const { get, set } = URL;
  delete URL.get;
  delete URL.set;
  for (const part of parts) {
    Object.defineProperty(URL.prototype, part, {
      get() { return get(this, part); },
      set: part === "origin" ? undefined : function (value) { set(this, part, value); },
      enumerable: true, configurable: true,
    });
  }
  return { URL, URLSearchParams };
});
