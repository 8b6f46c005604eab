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

  class TextDecoder {
    #label; #fatal; #keep;
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
      if (options.stream) throw new TypeError("TextDecoder: decoding in pieces is not in this version");
      if (data === undefined) return "";
      const bytes = native.bytes(data);
      if (bytes === undefined || typeof data === "string") throw new TypeError("TextDecoder: bytes are wanted");
      const text = native.decode(bytes, this.#label, this.#fatal);
      if (text === null) throw new TypeError("TextDecoder: the bytes are no " + this.encoding);
      return !this.#keep && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
  }
  return { TextEncoder, TextDecoder };
});
