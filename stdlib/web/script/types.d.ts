/** Globals of scripts: web standards only. */

interface Console {
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
  dir(...values: unknown[]): void;
  table(...values: unknown[]): void;
  trace(...values: unknown[]): void;
  assert(condition: unknown, ...values: unknown[]): void;
  count(label?: string): void;
  countReset(label?: string): void;
  time(label?: string): void;
  timeLog(label?: string): void;
  timeEnd(label?: string): void;
  group(...values: unknown[]): void;
  groupEnd(): void;
}
/**
 * Lines in the call's log and timeline; at most 4 KB each.
 * @example console.log("order", { id: 4031 });
 */
declare var console: Console;

/**
 * @example const timer = setTimeout(() => call.stop(), 5000);
 */
declare function setTimeout(fn: (...args: any[]) => unknown, ms?: number, ...args: any[]): number;
/**
 * @example clearTimeout(timer);
 */
declare function clearTimeout(id: number | undefined): void;
/**
 * @example const every = setInterval(() => console.log(call.state), 1000);
 */
declare function setInterval(fn: (...args: any[]) => unknown, ms?: number, ...args: any[]): number;
/**
 * @example clearInterval(every);
 */
declare function clearInterval(id: number | undefined): void;
/**
 * @example queueMicrotask(() => console.log("soon"));
 */
declare function queueMicrotask(fn: () => void): void;
/**
 * @example const copy = structuredClone(call.data);
 */
declare function structuredClone<T>(value: T): T;
/**
 * @example atob("0J8="); // the bytes, one a character
 */
declare function atob(text: string): string;
/**
 * @example const basic = "Basic " + btoa("user:" + password);
 */
declare function btoa(text: string): string;

/**
 * @example try { atob("?"); } catch (e) { console.log(e instanceof DOMException, e.name); }
 */
declare class DOMException extends Error {
  constructor(message?: string, name?: string);
}
/**
 * @example new EventTarget().dispatchEvent(new Event("done"));
 */
declare class Event {
  constructor(type: string, init?: { cancelable?: boolean });
  readonly type: string;
  readonly defaultPrevented: boolean;
  cancelable: boolean;
  target: EventTarget | null;
  preventDefault(): void;
}
type EventListener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };
/**
 * @example const bus = new EventTarget();
 */
declare class EventTarget {
  addEventListener(type: string, fn: EventListener, options?: { once?: boolean }): void;
  removeEventListener(type: string, fn: EventListener): void;
  dispatchEvent(event: Event): boolean;
}
/**
 * @example await fetch("https://crm.example.ru", { signal: AbortSignal.any([call.signal, AbortSignal.timeout(3000)]) });
 */
declare class AbortSignal extends EventTarget {
  private constructor();
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: Event) => unknown) | null;
  throwIfAborted(): void;
  static abort(reason?: any): AbortSignal;
  /** Aborts with a TimeoutError after so many milliseconds. */
  static timeout(ms: number): AbortSignal;
  static any(signals: Iterable<AbortSignal>): AbortSignal;
}
/**
 * @example const giveUp = new AbortController();
 * void call.say("…", { signal: giveUp.signal });
 * giveUp.abort();
 */
declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: any): void;
}

/**
 * @example const query = String(new URLSearchParams({ phone: "+7916", name: "Анна" }));
 */
declare class URLSearchParams {
  constructor(init?: string | Iterable<[string, string]> | { [name: string]: string | number | boolean } | URLSearchParams);
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string | number | boolean): void;
  sort(): void;
  forEach(fn: (value: string, name: string, all: URLSearchParams) => void, self?: any): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
  toString(): string;
}
/**
 * @example const { hostname, searchParams } = new URL("https://crm.example.ru/?id=7");
 */
declare class URL {
  constructor(url: string | URL, base?: string | URL);
  static canParse(url: string | URL, base?: string | URL): boolean;
  static parse(url: string | URL, base?: string | URL): URL | null;
  href: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  hash: string;
  readonly origin: string;
  readonly searchParams: URLSearchParams;
  toString(): string;
  toJSON(): string;
}

/**
 * @example const bytes = new TextEncoder().encode("привет");
 */
declare class TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}
/**
 * @example const text = new TextDecoder("windows-1251").decode(new Uint8Array([207, 240]));
 */
declare class TextDecoder {
  /** utf-8, utf-16le, utf-16be, windows-1251, windows-1252, windows-1254, koi8-r, koi8-u, ibm866, iso-8859-1, iso-8859-5 */
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  /** With `stream` a character that is not whole yet waits for the next piece. */
  decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}

type BodyInit = string | ArrayBuffer | ArrayBufferView | Blob | FormData | URLSearchParams;
type HeadersInit = Iterable<[string, string]> | { [name: string]: string } | Headers;
/**
 * @example const type = new Headers({ "Content-Type": "text/plain" }).get("content-type");
 */
declare class Headers {
  constructor(init?: HeadersInit);
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(fn: (value: string, name: string, all: Headers) => void, self?: any): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
  toJSON(): { [name: string]: string };
}
/**
 * @example const file = new Blob(["id;sum\n7;10"], { type: "text/csv" });
 */
declare class Blob {
  constructor(pieces?: (string | ArrayBuffer | ArrayBufferView | Blob)[], options?: { type?: string });
  readonly size: number;
  readonly type: string;
  slice(start?: number, end?: number, type?: string): Blob;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
  text(): Promise<string>;
}
/**
 * @example const form = new FormData();
 * form.append("file", new Blob(["a"]), "a.txt");
 */
declare class FormData {
  append(name: string, value: string | number | Blob | ArrayBuffer | ArrayBufferView, file?: string): void;
  set(name: string, value: string | number | Blob | ArrayBuffer | ArrayBufferView, file?: string): void;
  delete(name: string): void;
  get(name: string): string | Blob | null;
  getAll(name: string): (string | Blob)[];
  has(name: string): boolean;
  forEach(fn: (value: string | Blob, name: string, all: FormData) => void, self?: any): void;
  entries(): IterableIterator<[string, string | Blob]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string | Blob>;
  [Symbol.iterator](): IterableIterator<[string, string | Blob]>;
}
declare class Body {
  readonly headers: Headers;
  readonly bodyUsed: boolean;
  text(): Promise<string>;
  json(): Promise<any>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  blob(): Promise<Blob>;
  /** Of a urlencoded body. */
  formData(): Promise<FormData>;
}
interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  redirect?: "follow" | "manual" | "error";
  /** `AbortSignal.timeout(5000)`, `call.signal` */
  signal?: AbortSignal | null;
}
/**
 * @example const request = new Request("https://crm.example.ru", { method: "POST", body: "a" });
 */
declare class Request extends Body {
  constructor(input: string | URL | Request, init?: RequestInit);
  readonly url: string;
  readonly method: string;
  readonly redirect: "follow" | "manual" | "error";
  readonly signal: AbortSignal | undefined;
  clone(): Request;
}
/**
 * @example return Response.json({ ok: true }, { status: 201 });
 */
declare class Response extends Body {
  constructor(body?: BodyInit | null, init?: { status?: number; statusText?: string; headers?: HeadersInit });
  readonly status: number;
  readonly statusText: string;
  readonly ok: boolean;
  readonly url: string;
  readonly redirected: boolean;
  readonly type: "default";
  clone(): Response;
  static json(value: any, init?: { status?: number; statusText?: string; headers?: HeadersInit }): Response;
  static redirect(url: string | URL, status?: number): Response;
}
/**
 * An HTTP request. With no `permissions.http` in `config` any public host may be reached; private ones only when named.
 * @example const answer = await fetch("https://crm.example.ru/leads", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ phone: "+7916" }) });
 * if (!answer.ok) console.warn(answer.status, await answer.text());
 */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

/**
 * @example const key = await crypto.subtle.importKey("raw", new TextEncoder().encode("secret"), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
 */
declare class CryptoKey {
  private constructor();
  readonly type: "secret";
  readonly extractable: boolean;
  readonly algorithm: { name: "HMAC"; hash: { name: string }; length: number };
  readonly usages: string[];
}
interface SubtleCrypto {
  digest(algorithm: "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512" | { name: string }, data: ArrayBuffer | ArrayBufferView): Promise<ArrayBuffer>;
  importKey(format: "raw", key: ArrayBuffer | ArrayBufferView, algorithm: { name: "HMAC"; hash: string | { name: string } }, extractable: boolean, usages: ("sign" | "verify")[]): Promise<CryptoKey>;
  sign(algorithm: "HMAC" | { name: "HMAC" }, key: CryptoKey, data: ArrayBuffer | ArrayBufferView): Promise<ArrayBuffer>;
  verify(algorithm: "HMAC" | { name: "HMAC" }, key: CryptoKey, signature: ArrayBuffer | ArrayBufferView, data: ArrayBuffer | ArrayBufferView): Promise<boolean>;
}
interface Crypto {
  randomUUID(): string;
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  readonly subtle: SubtleCrypto;
}
/**
 * Random values, digests and HMAC.
 * @example const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("text"));
 */
declare var crypto: Crypto;

/**
 * A clock that only goes forward: `const began = performance.now(); …; console.log(performance.now() - began, "ms");`
 * @example const began = performance.now();
 */
declare var performance: {
  /** Milliseconds since the script first asked. */
  now(): number;
  /** When that was, as `Date.now()` tells. */
  readonly timeOrigin: number;
};
