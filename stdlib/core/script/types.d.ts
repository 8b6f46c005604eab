/** State that all calls share, webhooks that survive a restart, secrets, locks. */
declare module "loopstart:core" {
  /** `"5s"`, `"1m30s"`, `"80ms"`, `"90d"`, or a number of milliseconds. */
  export type Duration = string | number;

  /** A value that has a JSON form. */
  export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

  /**
   * Key-value state of the whole project, on disk. Keys are up to 512 bytes;
   * values are JSON. What resolved has survived a power cut.
   */
  export const kv: {
    /** The value, or `undefined` when there is none. */
    get<T = any>(key: string): Promise<T | undefined>;
    /** Sets a value; with `ttl` it goes away by itself. */
    set(key: string, value: unknown, options?: { ttl?: Duration }): Promise<void>;
    /** Takes a key away; tells whether it was there. */
    delete(key: string): Promise<boolean>;
    /** Adds `by` (1) to a number, beginning at 0; the new number. `ttl` counts from the first time. */
    increment(key: string, options?: { by?: number; ttl?: Duration }): Promise<number>;
    /** Writes `next` only if the value still is `old`. `undefined` as `old`: the key must not exist; as `next`: delete it. Without `ttl` the value keeps the time it had. */
    compareAndSet(key: string, old: unknown, next: unknown, options?: { ttl?: Duration }): Promise<boolean>;
    /**
     * Reads, lets `fn` make the new value, and writes it if nobody came in between; else begins again (100 times,
     * then `CONFLICT`). `fn` may return `undefined` to leave the value alone. Resolves with the value that stays.
     */
    update<T = any>(key: string, fn: (old: T | undefined) => T | undefined | Promise<T | undefined>, options?: { ttl?: Duration }): Promise<T>;
    /** Keys that begin with `prefix`, in order. `limit` is 100, at most 1000; `after` is the last key of the page before. */
    list<T = any>(prefix: string, options?: { limit?: number; after?: string }): Promise<{ key: string; value: T }[]>;
  };

  /** Requests to other systems that must not be lost. */
  export const webhook: {
    /**
     * Resolves when the request is stored on disk. It is delivered at least once, in order per `key`, and repeated
     * for 72 hours until the other side answers 2xx (410 stops it).
     *
     * `body`: an object is sent as JSON, a string as text, a `Uint8Array` as it is; with `form: true` as form fields.
     */
    deliver(url: string, body?: unknown, options?: {
      /** Deliveries of one key keep their order. */
      key?: string;
      /** Default POST. */
      method?: "POST" | "PUT" | "PATCH" | "DELETE" | "GET";
      /** Send the body as form fields. */
      form?: boolean;
      /** Recordings, or data of your own; sent as multipart. */
      files?: ({ id: string; link: Function } | { field?: string; name?: string; type?: string; recording?: string | { id: string }; data?: string | Uint8Array })[];
      headers?: { [name: string]: string };
      /** Add `Loopstart-Signature`: `true` signs with the secret `HOOK_SECRET` of loopstart.yaml, a text names another one. */
      sign?: boolean | string;
      /** Give up after this time. */
      expires?: Duration;
    }): Promise<{ id: string }>;
  };

  /** Values of `secrets` in loopstart.yaml. */
  export const secrets: {
    /** The secret, at once. Throws `NOT_FOUND` when there is none of that name. */
    get(name: string): string;
  };

  /** Waits. A hang-up does not end it; `signal: call.signal` does. */
  export function sleep(time: Duration, options?: { signal?: AbortSignal }): Promise<void>;

  /** Writes a line to the call's log and timeline, like `console.log`. */
  export const log: {
    (...values: unknown[]): void;
    debug(...values: unknown[]): void;
    info(...values: unknown[]): void;
    warn(...values: unknown[]): void;
    error(...values: unknown[]): void;
  };

  /**
   * Runs `fn` while no other call holds `key`, and resolves with what it returns. Waits `wait` (10s) for its turn,
   * then rejects `CONFLICT`. The key frees itself after `ttl` (30s), so choose it longer than the work.
   */
  export function lock<T>(key: string, fn: () => T | Promise<T>): Promise<T>;
  export function lock<T>(key: string, options: { ttl?: Duration; wait?: Duration }, fn: () => T | Promise<T>): Promise<T>;
}
