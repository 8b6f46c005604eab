// crypto: random values, digests and HMAC (W3C Web Cryptography).
(function (native) {
  const secrets = new WeakMap();
  const key = {};
  class CryptoKey {
    constructor(k, bytes, hash, extractable, usages) {
      if (k !== key) throw new TypeError("Illegal constructor");
      this.type = "secret";
      this.extractable = !!extractable;
      this.algorithm = { name: "HMAC", hash: { name: hash }, length: bytes.length * 8 };
      this.usages = [...usages];
      secrets.set(this, bytes);
      Object.freeze(this);
    }
  }
  const nameOf = (algorithm) => String(algorithm && typeof algorithm === "object" ? algorithm.name : algorithm).toUpperCase();
  const bytesOf = (data, what) => {
    const bytes = typeof data === "string" ? undefined : native.bytes(data);
    if (!bytes) throw new TypeError("crypto.subtle." + what + ": bytes are wanted; use new TextEncoder().encode(text)");
    return bytes;
  };
  const hashOf = (hash, what) => {
    const name = nameOf(hash);
    if (native.digest(name, new Uint8Array(0)) === undefined) {
      throw new DOMException("crypto.subtle." + what + ": " + name + " is not there; SHA-1, SHA-256, SHA-384 and SHA-512 are", "NotSupportedError");
    }
    return name;
  };
  const hmacOnly = (algorithm, what) => {
    if (nameOf(algorithm) !== "HMAC") throw new DOMException("crypto.subtle." + what + ": only HMAC is there", "NotSupportedError");
  };
  const mac = (k, usage, data) => {
    if (!(k instanceof CryptoKey) || !k.usages.includes(usage)) throw new DOMException("the key may not be used to " + usage, "InvalidAccessError");
    return native.hmac(k.algorithm.hash.name, secrets.get(k), bytesOf(data, usage));
  };
  const subtle = {
    async digest(algorithm, data) { return native.digest(hashOf(algorithm, "digest"), bytesOf(data, "digest")).buffer; },
    async importKey(format, data, algorithm, extractable, usages) {
      hmacOnly(algorithm, "importKey");
      if (format !== "raw") throw new DOMException("crypto.subtle.importKey: only the format raw is there", "NotSupportedError");
      return new CryptoKey(key, bytesOf(data, "importKey"), hashOf(algorithm.hash, "importKey"), extractable, usages);
    },
    async sign(algorithm, k, data) {
      hmacOnly(algorithm, "sign");
      return mac(k, "sign", data).buffer;
    },
    async verify(algorithm, k, signature, data) {
      hmacOnly(algorithm, "verify");
      return native.equal(mac(k, "verify", data), bytesOf(signature, "verify"));
    },
  };
  const crypto = {
    randomUUID: () => native.uuid(),
    getRandomValues: (array) => native.random(array),
    subtle: Object.freeze(subtle),
  };
  return { crypto: Object.freeze(crypto), CryptoKey };
});
