// fetch and what belongs to it (WHATWG Fetch). The request is made by the host.
(function (native) {
  const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

  class Headers {
    #list = []; // [lower-case name, value, name as written]
    constructor(init) {
      if (init == null) return;
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }
    #check(name, value) {
      if (!token.test(String(name))) throw new TypeError("Headers: " + JSON.stringify(String(name).slice(0, 100)) + " is no header name");
      if (/[\0\r\n]/.test(String(value))) throw new TypeError("Headers: the value of " + name + " has a line break");
      return [String(name).toLowerCase(), String(value).trim(), String(name)];
    }
    append(name, value) { this.#list.push(this.#check(name, value)); }
    set(name, value) {
      const entry = this.#check(name, value);
      this.#list = this.#list.filter((h) => h[0] !== entry[0]);
      this.#list.push(entry);
    }
    delete(name) { this.#list = this.#list.filter((h) => h[0] !== String(name).toLowerCase()); }
    has(name) { return this.#list.some((h) => h[0] === String(name).toLowerCase()); }
    get(name) {
      const values = this.#list.filter((h) => h[0] === String(name).toLowerCase()).map((h) => h[1]);
      return values.length ? values.join(", ") : null;
    }
    getSetCookie() { return this.#list.filter((h) => h[0] === "set-cookie").map((h) => h[1]); }
    forEach(fn, self) { for (const [name, value] of this) fn.call(self, value, name, this); }
    *entries() {
      const names = [...new Set(this.#list.map((h) => h[0]))].sort();
      for (const name of names) {
        if (name === "set-cookie") for (const value of this.getSetCookie()) yield [name, value];
        else yield [name, this.get(name)];
      }
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toJSON() { return Object.fromEntries(this.entries()); }
    static pairs(headers) { return headers.#list.map((h) => [h[2], h[1]]); }
  }
  const pairsOf = Headers.pairs;
  delete Headers.pairs;

  const join = (pieces) => {
    const whole = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of pieces) { whole.set(p, at); at += p.length; }
    return whole;
  };

  class Blob {
    #bytes; #type;
    constructor(pieces = [], options = {}) {
      this.#bytes = join([...pieces].map((p) => (p instanceof Blob ? p.#bytes : typeof p === "string" ? native.encode(p) : native.bytes(p) || native.encode(String(p)))));
      this.#type = String(options.type || "").toLowerCase();
    }
    get size() { return this.#bytes.length; }
    get type() { return this.#type; }
    slice(start, end, type = "") { return new Blob([this.#bytes.slice(start, end)], { type }); }
    async bytes() { return this.#bytes.slice(); }
    async arrayBuffer() { return this.#bytes.slice().buffer; }
    async text() { return native.decode(this.#bytes, "utf-8", false); }
    static raw(blob) { return blob.#bytes; }
  }
  const rawOf = Blob.raw;
  delete Blob.raw;

  class FormData {
    #list = [];
    #entry(name, value, file) {
      if (value instanceof Blob) return [String(name), value, file === undefined ? "blob" : String(file)];
      const bytes = typeof value === "object" && value !== null ? native.bytes(value) : undefined;
      return bytes ? [String(name), new Blob([bytes]), file === undefined ? "blob" : String(file)] : [String(name), String(value)];
    }
    append(name, value, file) { this.#list.push(this.#entry(name, value, file)); }
    set(name, value, file) {
      const i = this.#list.findIndex((e) => e[0] === String(name));
      if (i < 0) return this.append(name, value, file);
      this.#list = this.#list.filter((e, j) => j <= i || e[0] !== String(name));
      this.#list[i] = this.#entry(name, value, file);
    }
    delete(name) { this.#list = this.#list.filter((e) => e[0] !== String(name)); }
    has(name) { return this.#list.some((e) => e[0] === String(name)); }
    get(name) { const e = this.#list.find((e) => e[0] === String(name)); return e ? e[1] : null; }
    getAll(name) { return this.#list.filter((e) => e[0] === String(name)).map((e) => e[1]); }
    forEach(fn, self) { for (const e of this.#list) fn.call(self, e[1], e[0], this); }
    *entries() { for (const e of this.#list) yield [e[0], e[1]]; }
    *keys() { for (const e of this.#list) yield e[0]; }
    *values() { for (const e of this.#list) yield e[1]; }
    [Symbol.iterator]() { return this.entries(); }
    // multipart/form-data (RFC 7578)
    static pack(form) {
      const boundary = "loopstart-" + native.uuid();
      const quote = (s) => s.replace(/\r\n|\r|\n/g, "%0D%0A").replace(/"/g, "%22");
      const pieces = [];
      for (const [name, value, file] of form.#list) {
        let head = "--" + boundary + '\r\nContent-Disposition: form-data; name="' + quote(name) + '"';
        if (value instanceof Blob) {
          head += '; filename="' + quote(file) + '"\r\nContent-Type: ' + (value.type || "application/octet-stream");
        }
        pieces.push(native.encode(head + "\r\n\r\n"), value instanceof Blob ? rawOf(value) : native.encode(value.replace(/\r\n|\r|\n/g, "\r\n")), native.encode("\r\n"));
      }
      pieces.push(native.encode("--" + boundary + "--\r\n"));
      return [join(pieces), "multipart/form-data; boundary=" + boundary];
    }
  }
  const pack = FormData.pack;
  delete FormData.pack;

  // The bytes and the Content-Type of anything that may be a body.
  function extract(body) {
    if (body == null) return [null, null];
    if (typeof body === "string") return [native.encode(body), "text/plain;charset=UTF-8"];
    if (body instanceof Blob) return [rawOf(body), body.type || null];
    if (body instanceof FormData) return pack(body);
    if (body instanceof URLSearchParams) return [native.encode(body.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
    const bytes = native.bytes(body);
    if (bytes) return [bytes, null];
    if (typeof body === "object") {
      native.invalid("fetch: the body is an object", "send body: JSON.stringify(value) with the header Content-Type: application/json");
    }
    return [native.encode(String(body)), "text/plain;charset=UTF-8"];
  }

  class Body {
    #bytes; #used = false;
    constructor(bytes) { this.#bytes = bytes; }
    get bodyUsed() { return this.#used; }
    #take() {
      if (this.#used) throw new TypeError("the body has been read already; keep what text() or json() gave, or clone() first");
      this.#used = this.#bytes !== null;
      return this.#bytes || new Uint8Array(0);
    }
    async bytes() { return this.#take(); }
    async arrayBuffer() { return this.#take().slice().buffer; }
    async blob() { return new Blob([this.#take()], { type: this.headers.get("content-type") || "" }); }
    async text() { return this.#text(); }
    #text() {
      const bytes = this.#take();
      const charset = /charset="?([\w-]+)/i.exec(this.headers.get("content-type") || "");
      let text = charset ? native.decode(bytes, charset[1], false) : undefined;
      if (text == null) text = native.decode(bytes, "utf-8", false);
      return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
    async json() {
      const text = this.#text();
      if (!native.shallow(text)) throw new SyntaxError("the JSON is nested too deep");
      try {
        return JSON.parse(text);
      } catch (e) {
        throw new SyntaxError("the body is no JSON: " + JSON.stringify(text.slice(0, 80)));
      }
    }
    async formData() {
      const form = new FormData();
      for (const [name, value] of native.parseForm(this.#text())) form.append(name, value);
      return form;
    }
    static peek(body) { if (body.#used) throw new TypeError("the body has been read already"); return body.#bytes; }
  }
  const peek = Body.peek;
  delete Body.peek;

  class Request extends Body {
    constructor(input, init = {}) {
      const from = input instanceof Request ? input : null;
      const [bytes, type] = "body" in init ? extract(init.body) : [from ? peek(from) : null, null];
      super(bytes);
      let url;
      try {
        url = new URL(from ? from.url : String(input));
      } catch {
        native.invalid("fetch: " + JSON.stringify(String(input).slice(0, 200)) + " is no URL", "write it in full, with https://");
      }
      if (url.protocol !== "http:" && url.protocol !== "https:") native.invalid("fetch: " + url.protocol + " cannot be fetched", "only http and https can");
      url.hash = "";
      this.url = url.href;
      this.method = String(init.method || (from && from.method) || "GET").toUpperCase();
      if (!token.test(this.method)) throw new TypeError("fetch: " + this.method + " is no method");
      this.headers = new Headers(init.headers || (from ? pairsOf(from.headers) : undefined));
      if (type && !this.headers.has("content-type")) this.headers.set("Content-Type", type);
      this.redirect = String(init.redirect || (from && from.redirect) || "follow");
      if (!["follow", "manual", "error"].includes(this.redirect)) throw new TypeError("fetch: redirect is follow, manual or error");
      this.signal = init.signal === undefined ? (from ? from.signal : undefined) : init.signal || undefined;
      if (bytes !== null && (this.method === "GET" || this.method === "HEAD")) {
        native.invalid("fetch: a " + this.method + " request has no body", 'add method: "POST"');
      }
    }
    clone() { return new Request(this); }
  }

  class Response extends Body {
    #url = ""; #redirected = false;
    constructor(body = null, init = {}) {
      const [bytes, type] = extract(body);
      super(bytes);
      this.status = init.status === undefined ? 200 : Number(init.status);
      if (!(this.status >= 100 && this.status <= 599)) throw new RangeError("Response: the status is from 100 to 599");
      this.statusText = String(init.statusText || "");
      this.headers = new Headers(init.headers);
      if (type && !this.headers.has("content-type")) this.headers.set("Content-Type", type);
    }
    get ok() { return this.status >= 200 && this.status < 300; }
    get url() { return this.#url; }
    get redirected() { return this.#redirected; }
    get type() { return "default"; }
    clone() {
      const copy = new Response(peek(this), { status: this.status, statusText: this.statusText, headers: pairsOf(this.headers) });
      copy.#url = this.#url;
      copy.#redirected = this.#redirected;
      return copy;
    }
    // What onRequest may return.
    toJSON() { return { status: this.status, headers: this.headers.toJSON(), body: peek(this) || undefined }; }
    static json(value, init = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has("content-type")) headers.set("Content-Type", "application/json");
      return new Response(JSON.stringify(value), { ...init, headers });
    }
    static redirect(url, status = 302) { return new Response(null, { status, headers: { Location: new URL(url).href } }); }
    static from(answer) {
      const r = new Response(native.bytes(answer.body || ""), { status: answer.status, statusText: answer.statusText, headers: answer.headers });
      r.#url = answer.url || "";
      r.#redirected = !!answer.redirected;
      return r;
    }
  }
  const from = Response.from;
  delete Response.from;

  const fetch = async function (input, init = {}) {
    const r = new Request(input, init || {});
    const bytes = peek(r);
    const answer = await native.call("http.fetch", {
      url: r.url, method: r.method, headers: pairsOf(r.headers), body: bytes === null ? undefined : native.base64(bytes), redirect: r.redirect,
    }, r.signal);
    return from(answer);
  };
  return { fetch, Headers, Request, Response, FormData, Blob };
});
