// TextEncoder and TextDecoder (WHATWG Encoding); decoding is native.
(function (native) {
  class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(text = "") { return native.encode(String(text)); }
    encodeInto(text, target) {
      let read = 0, written = 0;
      for (const character of String(text)) {
        const bytes = native.encode(character);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  }

  // unfinished is how many bytes at the end belong to a character that goes on.
  function unfinished(bytes, encoding) {
    const n = bytes.length;
    if (encoding === "utf-8") {
      for (let i = n - 1; i >= 0 && i > n - 4; i--) {
        const b = bytes[i];
        if (b >= 0x80 && b < 0xc0) continue; // goes on
        const size = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : 1;
        return size > n - i ? n - i : 0;
      }
      return 0;
    }
    if (!encoding.startsWith("utf-16")) return 0;
    const odd = n % 2;
    const high = n - odd - (encoding === "utf-16be" ? 2 : 1);
    return high >= 0 && bytes[high] >= 0xd8 && bytes[high] < 0xdc ? odd + 2 : odd;
  }

  class TextDecoder {
    #label; #fatal; #keep;
    #rest = new Uint8Array(0); // bytes of a character that is not whole yet
    #begun = false; // the first character of a stream has been given
    constructor(label = "utf-8", options = {}) {
      if (native.decode(new Uint8Array(0), label, false) === undefined) throw new RangeError("TextDecoder: the encoding " + label + " is not known");
      this.#label = String(label).trim().toLowerCase();
      this.#fatal = !!options.fatal;
      this.#keep = !!options.ignoreBOM;
    }
    get encoding() { return this.#label === "utf8" ? "utf-8" : this.#label; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#keep; }
    decode(data, options = {}) {
      let bytes = data === undefined ? new Uint8Array(0) : native.bytes(data);
      if (bytes === undefined || typeof data === "string") throw new TypeError("TextDecoder: bytes are wanted");
      if (this.#rest.length > 0) {
        const all = new Uint8Array(this.#rest.length + bytes.length);
        all.set(this.#rest);
        all.set(bytes, this.#rest.length);
        bytes = all;
      }
      const whole = options.stream ? bytes.length - unfinished(bytes, this.encoding) : bytes.length;
      this.#rest = bytes.slice(whole);
      const text = native.decode(bytes.slice(0, whole), this.#label, this.#fatal);
      if (text === null) throw new TypeError("TextDecoder: the bytes are no " + this.encoding);
      const first = !this.#begun;
      this.#begun = options.stream ? this.#begun || text !== "" : false;
      return first && !this.#keep && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
  }
  return { TextEncoder, TextDecoder };
});
