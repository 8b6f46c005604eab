// DOMException, events and abort signals (WHATWG DOM).
(function () {
  class DOMException extends Error {
    #name;
    constructor(message = "", name = "Error") {
      super(message);
      this.#name = String(name);
    }
    get name() { return this.#name; }
  }

  class Event {
    #type;
    #prevented = false;
    constructor(type, init = {}) {
      this.#type = String(type);
      this.cancelable = !!init.cancelable;
      this.target = null;
    }
    get type() { return this.#type; }
    get defaultPrevented() { return this.#prevented; }
    preventDefault() { if (this.cancelable) this.#prevented = true; }
  }

  const maxListeners = 1000;
  class EventTarget {
    #listeners = [];
    addEventListener(type, fn, options) {
      if (fn == null || this.#listeners.some((l) => l.type === type && l.fn === fn)) return;
      if (this.#listeners.length >= maxListeners) throw new RangeError("too many event listeners");
      this.#listeners.push({ type: String(type), fn, once: !!(options && options.once) });
    }
    removeEventListener(type, fn) {
      this.#listeners = this.#listeners.filter((l) => l.type !== type || l.fn !== fn);
    }
    dispatchEvent(event) {
      event.target = this;
      const handler = this["on" + event.type];
      if (typeof handler === "function") handler.call(this, event);
      for (const l of [...this.#listeners]) {
        if (l.type !== event.type) continue;
        if (l.once) this.removeEventListener(l.type, l.fn);
        if (typeof l.fn === "function") l.fn.call(this, event);
        else l.fn.handleEvent(event);
      }
      return !event.defaultPrevented;
    }
  }

  const key = {}; // only who has it may make or abort a signal
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    onabort = null;
    constructor(k) {
      super();
      if (k !== key) throw new TypeError("Illegal constructor; use new AbortController().signal");
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    static fire(k, signal, reason) {
      if (k !== key || signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
      signal.dispatchEvent(new Event("abort"));
    }
    static abort(reason) {
      const signal = new AbortSignal(key);
      fire(key, signal, reason);
      return signal;
    }
    static timeout(ms) {
      const signal = new AbortSignal(key);
      setTimeout(() => fire(key, signal, new DOMException("The operation timed out", "TimeoutError")), ms);
      return signal;
    }
    static any(signals) {
      const joined = new AbortSignal(key);
      const list = [...signals];
      const done = list.find((s) => s.aborted);
      if (done) {
        fire(key, joined, done.reason);
        return joined;
      }
      for (const s of list) s.addEventListener("abort", () => fire(key, joined, s.reason), { once: true });
      return joined;
    }
  }
  const fire = AbortSignal.fire;
  delete AbortSignal.fire;

  class AbortController {
    #signal = new AbortSignal(key);
    get signal() { return this.#signal; }
    abort(reason) { fire(key, this.#signal, reason); }
  }

  return { DOMException, Event, EventTarget, AbortSignal, AbortController };
});
