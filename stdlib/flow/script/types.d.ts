/**
 * Durable flows: one readable function for what takes days. It survives restarts, crashes and new versions of the
 * script: what is done is in a journal, and the function is run again along it at every wake-up.
 */
declare module "loopstart:flow" {
  import type { Duration, Json } from "loopstart:core";

  /**
   * Makes a flow of a function: `export default flow(…)`, or `export const onFlow = flow(…)` beside the call it places.
   *
   * ```ts
   * export default flow(async (f: Flow<{ phone: string; link: string }>) => {
   *   await f.step("sms", () => sms(f.data.phone, f.data.link));
   *   if (await f.event("form-filled", { within: "24h" })) return "filled";
   *   return (await f.call({ script: "form-call", to: f.data.phone, tries: 3, every: "15m" })).outcome;
   * });
   * ```
   *
   * Between steps the code must go the same way each time: `Date` and random numbers are those of the journal, `fetch`,
   * `kv` and timers are refused outside of steps.
   */
  export function flow<Data = any>(code: (f: Flow<Data>) => unknown | Promise<unknown>): (f: Flow<Data>) => unknown;

  /**
   * Begins a flow of a script. One runs at a time for a key: while it does, a second start gives it back with `created: false`.
   * Without `key` the flow's id is its key.
   *
   * ```ts
   * await start("customs-form", { key: parcel.id, data: { phone: parcel.phone, link: parcel.link } });
   * ```
   */
  export function start(script: string, options?: { key?: string | number; data?: unknown }): Promise<{ id: string; key: string; script: string; state: string; created: boolean }>;

  /**
   * Sends a running flow an event. One that nobody waits for yet is kept. Rejects `NOT_FOUND` when no flow with the key runs.
   *
   * ```ts
   * export async function onRequest(request) {
   *   await signal("customs-form", { key: request.json.parcel, event: "form-filled", data: request.json });
   * }
   * ```
   */
  export function signal(script: string, options: { key: string | number; event: string; data?: unknown }): Promise<void>;

  /** What a flow's function is given. */
  export interface Flow<Data = any> {
    readonly id: string;
    readonly key: string;
    readonly script: string;
    /** What it was started with. */
    readonly data: Data;
    readonly startedAt: Date;

    /**
     * Does something once and keeps its result, which has a JSON form. It is on disk before the flow goes on. A crash in
     * the middle does it again: `id` is the same then, for systems that take an idempotency key.
     *
     * A step that throws is tried again after 5s, 30s, 2m, 10m and then hourly for 72 hours; with `tries` so often in
     * all, `every` apart. After the last time the error is thrown here.
     *
     * ```ts
     * const crm = await f.step("task", ({ id }) => createTask(f.data, { headers: { "Idempotency-Key": id } }), { tries: 5, every: "1m" });
     * ```
     */
    step<T>(name: string, fn: (step: { id: string }) => T | Promise<T>, options?: { tries?: number; every?: Duration }): Promise<T>;

    /** Waits: `await f.sleep("2h")`. */
    sleep(time: Duration): Promise<void>;

    /**
     * Waits for a moment: `"18:30"`, `"tomorrow 10:00"`, `"monday 9:00"`, `"2026-03-01 10:00"`, an ISO time or a `Date`;
     * one that is past is over at once. `zone` is the project's, a name, or `"callee"`: that of the number `to`, else of
     * `data.to` or `data.phone`.
     *
     * ```ts
     * await f.sleepUntil("tomorrow 10:00", { zone: "callee" });
     * ```
     */
    sleepUntil(when: string | Date, options?: { zone?: string; to?: string }): Promise<void>;

    /**
     * Waits for an event: resolves with its data (`true` for an event without any), or with `undefined` after `within`.
     * One that came before is there at once.
     *
     * ```ts
     * const paid = await f.event("paid", { within: "3d" });
     * ```
     */
    event<T = any>(name: string, options?: { within?: Duration }): Promise<T | undefined>;

    /**
     * Orders a call and waits until it is done: delivered, or `tries` (1) dials `every` (15m) apart. `script` is who talks,
     * by default this one; `data` what it is given, by default the flow's. `unless` is asked before each dial: `true`, or
     * the reason as a text, and nobody is called any more. A dial that a crash cut off is `unknown` and is not repeated.
     *
     * ```ts
     * const { outcome, result } = await f.call({ to: f.data.phone, tries: 3, every: "15m", unless: () => filled(f.key) });
     * ```
     */
    call(options: {
      script?: string; to: string; data?: unknown; tries?: number; every?: Duration; unless?: () => unknown | Promise<unknown>;
      /** `"09:00-21:00"` in `zone`; `"callee"` follows the number. */
      window?: string; zone?: string;
      /** Pauses by outcome, instead of `every`: `{ busy: "5m", default: "1h" }`. */
      retry?: { [outcome: string]: Duration };
      from?: string; trunk?: string; hide?: boolean; timeout?: Duration; deliveredAfter?: string; expires?: string;
    }): Promise<{
      outcome: string;
      result?: any;
      attempts: number;
      /** Why nobody was dialled any more: what `unless` gave, `stop_list`, `expired`, `cancelled`… */
      reason?: string;
    }>;
  }
}
