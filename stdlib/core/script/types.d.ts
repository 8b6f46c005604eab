/** State that all calls share, webhooks that survive a restart, secrets, locks. */
declare module "loopstart:core" {
  /** `"5s"`, `"1m30s"`, `"80ms"`, `"90d"`, or a number of milliseconds. */
  export type Duration = string | number;

  /** A value that has a JSON form. */
  export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

  /**
   * Key-value state of the whole project, on disk. Keys are up to 512 bytes;
   * values are JSON. What resolved has survived a power cut.
   * @example await kv.set("open", true);
   */
  export const kv: {
    /**
     * The value, or `undefined` when there is none.
     * @example const open = await kv.get<boolean>("open");
     */
    get<T = any>(key: string): Promise<T | undefined>;
    /**
     * Sets a value; with `ttl` it goes away by itself.
     * @example await kv.set("open", true, { ttl: "8h" });
     */
    set(key: string, value: unknown, options?: { ttl?: Duration }): Promise<void>;
    /**
     * Takes a key away; tells whether it was there.
     * @example const was = await kv.delete("open");
     */
    delete(key: string): Promise<boolean>;
    /**
     * Adds `by` (1) to a number, beginning at 0; the new number. `ttl` counts from the first time.
     * @example if ((await kv.increment("calls:" + call.from.e164, { ttl: "1d" })) > 3) await call.reject(486);
     */
    increment(key: string, options?: { by?: number; ttl?: Duration }): Promise<number>;
    /**
     * Writes `next` only if the value still is `old`. `undefined` as `old`: the key must not exist; as `next`: delete it. Without `ttl` the value keeps the time it had.
     * @example const mine = await kv.compareAndSet("lead:7", undefined, call.id, { ttl: "1h" });
     */
    compareAndSet(key: string, old: unknown, next: unknown, options?: { ttl?: Duration }): Promise<boolean>;
    /**
     * Reads, lets `fn` make the new value, and writes it if nobody came in between; else begins again (100 times,
     * then `CONFLICT`). `fn` may return `undefined` to leave the value alone. Resolves with the value that stays.
     * @example await kv.update<{ n: number }>("stats", (old = { n: 0 }) => ({ n: old.n + 1 }));
     */
    update<T = any>(key: string, fn: (old: T | undefined) => T | undefined | Promise<T | undefined>, options?: { ttl?: Duration }): Promise<T>;
    /**
     * Keys that begin with `prefix`, in order. `limit` is 100, at most 1000; `after` is the last key of the page before.
     * @example for (const { key, value } of await kv.list("order:", { limit: 50 })) console.log(key, value);
     */
    list<T = any>(prefix: string, options?: { limit?: number; after?: string }): Promise<{ key: string; value: T }[]>;
  };

  /**
   * Requests to other systems that must not be lost.
   * @example await webhook.deliver("https://crm.example.ru/calls", { order: 4031 });
   */
  export const webhook: {
    /**
     * Resolves when the request is stored on disk. It is delivered at least once, in order per `key`, and repeated
     * for 72 hours until the other side answers 2xx (410 stops it).
     *
     * `body`: an object is sent as JSON, a string as text, a `Uint8Array` as it is; with `form: true` as form fields.
     * @example await webhook.deliver("https://crm.example.ru/calls", { order: 4031 }, { key: "order-4031", expires: "1d" });
     */
    deliver(url: string, body?: unknown, options?: {
      /** Deliveries of one key keep their order. */
      key?: string;
      /** Default POST. */
      method?: "POST" | "PUT" | "PATCH" | "DELETE" | "GET";
      /** Send the body as form fields. */
      form?: boolean;
      /** Recordings, or data of your own; sent as multipart. A recording without a name has that of its file: `c1.1.ogg`. */
      files?: ({ id: string; link: Function } | { field?: string; name?: string; type?: string; recording?: string | { id: string }; data?: string | Uint8Array })[];
      headers?: { [name: string]: string };
      /** Add `Loopstart-Signature`: `true` signs with the secret `HOOK_SECRET` of loopstart.yaml, a text names another one. */
      sign?: boolean | string;
      /** Give up after this time. */
      expires?: Duration;
    }): Promise<{ id: string }>;
  };

  /**
   * Values of `secrets` in loopstart.yaml.
   * @example const headers = { Authorization: "Bearer " + secrets.get("CRM_TOKEN") };
   */
  export const secrets: {
    /**
     * The secret, at once. Throws `NOT_FOUND` when there is none of that name.
     * @example const token = secrets.get("CRM_TOKEN");
     */
    get(name: string): string;
  };

  /**
   * Waits. A hang-up does not end it; `signal: call.signal` does.
   * @example await sleep("5s", { signal: call.signal });
   */
  export function sleep(time: Duration, options?: { signal?: AbortSignal }): Promise<void>;

  /**
   * Writes a line to the call's log and timeline, like `console.log`.
   * @example log("choice", 3);
   */
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
   * @example const ticket = await lock("tickets", async () => kv.increment("ticket"));
   */
  export function lock<T>(key: string, fn: () => T | Promise<T>): Promise<T>;
  export function lock<T>(key: string, options: { ttl?: Duration; wait?: Duration }, fn: () => T | Promise<T>): Promise<T>;
}
