/**
 * Tests of scripts, in virtual time and without a network: `loopstart test` runs every `*.test.ts` and `*.test.js`.
 *
 * ```ts
 * import { test, inbound, expect } from "loopstart:test";
 *
 * test("a caller who presses 1 is thanked", async () => {
 *   const c = await inbound({ to: "hello" });
 *   await c.hears(/welcome/);
 *   c.press("1");
 *   await c.hears(/thanks/);
 *   const record = await c.ended();
 *   expect(record.result).toEqual({ key: "1", choice: "heard" });
 * });
 * ```
 *
 * Time stands still while a script or the test works; it moves to the next moment at which something happens when the
 * test awaits. Every test begins with an empty store on Monday, 12 January 2026, 10:00 in the project's zone.
 */
declare module "loopstart:test" {
  import type { CallRecord } from "loopstart:call";

  /** `"5s"`, `"1m30s"`, `"80ms"`, or a number of milliseconds. */
  export type Duration = string | number;

  /**
   * Adds a test. It runs alone, in a project where nothing has happened yet.
   * @example test("a caller is greeted", async () => { const c = await inbound({ to: "hello" }); await c.hears(/welcome/); });
   */
  export const test: TestFunction;
  export interface TestFunction {
    (name: string, fn: () => void | Promise<void>): void;
    /** Is listed and not run. */
    skip(name: string, fn: () => void | Promise<void>): void;
    /** While a file has such tests, only they run. */
    only(name: string, fn: () => void | Promise<void>): void;
  }

  /** One line of a call's timeline. */
  export interface TimelineEntry { at_ms: number; kind: string; leg?: string; detail: string; source?: string }

  /** Somebody on the phone. Waiting methods fail the test when the time `within` is over. */
  export interface Party {
    /**
     * Waits until the words have been said to this party, by a prompt, a person or a machine: the next prompt that
     * matches and was not matched before, past or future. Files, URLs and tones are heard by their name. Resolves with
     * the whole text when the matching words are over. `within` is 1m.
     */
    hears(words: RegExp | string, options?: { within?: Duration }): Promise<string>;
    /** Fails when anything is heard for that time (5s). */
    hearsNothing(options?: { for?: Duration }): Promise<void>;
    /** Presses keys: `0`–`9`, `*`, `#`, and `w` for half a second. Resolves when they are through; need not be awaited. */
    press(keys: string | number): Promise<void>;
    /** Speaks, or plays a sound file of the test's folder. Resolves when it is said; need not be awaited. */
    says(what: string | { audio: string }): Promise<void>;
    /** Does nothing for a while; ends early when the call does. */
    silent(time: Duration): Promise<void>;
    /** Hangs up, or gives up while it rings. */
    hangup(): Promise<void>;
    /** Puts the other side on hold, as a phone does. */
    hold(): Promise<void>;
    /** Takes the other side off hold. */
    resume(): Promise<void>;
    /** Sends a text within the talk (SIP MESSAGE). */
    sends(text: string): Promise<void>;
    /**
     * Asks for the other side to be transferred, as the transfer key of a phone does (REFER). Resolves with the end: 200 when
     * the other one has answered, 603 when the script refused.
     */
    refers(to: string): Promise<{ code: number }>;
    /** Waits until the call is answered. `within` is 1m. */
    answered(options?: { within?: Duration }): Promise<void>;
    /** Waits for the end and resolves with the call's record; of an order, with that of the next attempt. `within` is 1h. */
    ended(options?: { within?: Duration }): Promise<CallRecord>;
    /** Compares the timeline with `__snapshots__/NAME.txt` beside the test; the first run and `--update` write it. */
    matchesSnapshot(name?: string): void;
    /** The call's id. */
    readonly id: string | undefined;
    readonly state: "calling" | "ringing" | "early" | "answered" | "ended";
    /** The record once the call has ended; of an order the latest. */
    readonly record: CallRecord | undefined;
    readonly records: CallRecord[];
    /** What has happened so far. */
    readonly timeline: TimelineEntry[];
    /** What is being said right now, `""` for silence. */
    readonly hearing: string;
    /** All that was heard. */
    readonly heard: string[];
    /** Keys that were sent to this party. */
    readonly digits: string;
    /** Where `call.transfer` has sent this party: SIP addresses, the latest last. */
    readonly transfers: string[];
    /** Texts that were sent to this party, within calls and outside. */
    readonly messages: string[];
  }

  /** Somebody who is dialled. Until told otherwise they answer after one second. With `times` the behaviour ends after so many calls. */
  export interface Answering extends Party {
    answers(options?: { after?: Duration; times?: number }): this;
    busy(options?: { after?: Duration; times?: number }): this;
    /** Refuses with a SIP status: 603 declines, 404 does not exist. */
    rejects(code: number, options?: { after?: Duration; times?: number }): this;
    /** Rings and is never answered. */
    ringsOut(options?: { times?: number }): this;
    /** A voice mail: answers, says its text and beeps. */
    machine(text: string, options?: { after?: Duration; times?: number }): this;
    /** Waits until it is dialled. `within` is 1m. */
    rings(options?: { within?: Duration }): Promise<void>;
  }

  /** An operator of `sip.users`, registered until told otherwise. */
  export interface Operator extends Answering {
    /** No phone is registered. */
    offline(): this;
  }

  /**
   * Somebody calls. `to` is the name of a script or a number of `routes`. With `trunk` or `user` the call comes from
   * there; else a number is called through the first trunk, and a script by its name from a trusted source.
   * @example const c = await inbound({ to: "+74951234567", from: "+79161112233", trunk: "mango" });
   */
  export function inbound(call: {
    to: string; from?: string; data?: unknown; headers?: { [name: string]: string }; trunk?: string; user?: string;
  }): Promise<Party>;

  /**
   * A text message (SIP MESSAGE) that belongs to no call, for `onMessage`. It resolves when it is accepted or refused, with the
   * SIP status; what the script sends back comes to `callee(from).messages` or `user(name).messages`.
   * @example expect((await message({ to: "+74951234567", from: "+79161112233", text: "STOP" })).code).toBe(200);
   */
  export function message(text: {
    to: string; text: string; from?: string; contentType?: string; headers?: { [name: string]: string }; trunk?: string; user?: string;
  }): Promise<{ code: number }>;

  /**
   * Orders a call, as `POST /v1/calls` does, and is the one who is called.
   * @example const c = await outbound({ script: "reminder", to: "+79161112233", data: { order: "7" }, attempts: 2, retry: { busy: "5m" } });
   */
  export function outbound(order: {
    script: string; to: string; data?: unknown; from?: string; trunk?: string; hide?: boolean; key?: string; at?: string; attempts?: number;
    retry?: { [outcome: string]: Duration }; timeout?: Duration; expires?: string; deliveredAfter?: string;
    window?: string | string[] | { [days: string]: string | string[] }; zone?: string; priority?: number; dedupe?: Duration;
  }): Promise<Answering>;

  /**
   * Whoever is dialled by a number: `callee.busy()` for all, `callee("+7916…").busy()` for one. That one has the records of
   * all calls to the number, whoever has ordered them; a leg of `connect` has none, its `ended` gives undefined.
   * @example callee("+79161112233").machine("Оставьте сообщение", { times: 1 });
   */
  export const callee: CalleeFunction;
  export interface CalleeFunction {
    (number: string): Answering;
    answers(options?: { after?: Duration; times?: number }): CalleeFunction;
    busy(options?: { after?: Duration; times?: number }): CalleeFunction;
    rejects(code: number, options?: { after?: Duration; times?: number }): CalleeFunction;
    ringsOut(options?: { times?: number }): CalleeFunction;
    machine(text: string, options?: { after?: Duration; times?: number }): CalleeFunction;
  }

  /**
   * An operator, by the name in `sip.users`: `user("101").busy()` for one, `user.busy()` for all.
   * @example user("101").answers({ after: "3s" });
   */
  export const user: OperatorFunction;
  export interface OperatorFunction {
    (name: string): Operator;
    answers(options?: { after?: Duration; times?: number }): OperatorFunction;
    busy(options?: { after?: Duration; times?: number }): OperatorFunction;
    rejects(code: number, options?: { after?: Duration; times?: number }): OperatorFunction;
    ringsOut(options?: { times?: number }): OperatorFunction;
    machine(text: string, options?: { after?: Duration; times?: number }): OperatorFunction;
    offline(): OperatorFunction;
  }

  /** One line of a flow's journal; what has no `at` is still waited for. */
  export interface JournalEntry { n: number; kind: "step" | "sleep" | "event" | "call"; name?: string; asked: string; at?: string; until?: string; value?: any; error?: { code: string; message: string }; tries?: number; order?: string }

  /** A durable flow. */
  export interface RunningFlow {
    /** Sends it an event; resolves when the flow has gone on as far as it can. */
    signal(event: string, data?: unknown): Promise<void>;
    /** Waits for its end and resolves with what `GET /v1/flows/…` shows. `within` is as long as a test may last. */
    ended(options?: { within?: Duration }): Promise<{ state: "done" | "failed" | "cancelled"; result?: any; error?: { code: string; message: string; place?: string }; journal: JournalEntry[] }>;
    cancel(): Promise<void>;
    /** Lets a flow that has failed go on, or a step that failed be done again at once. */
    retry(): Promise<void>;
    readonly id: string;
    readonly key: string;
    readonly state: "running" | "done" | "failed" | "cancelled";
    /** What it waits for: `event "paid"`. */
    readonly waits: string[] | undefined;
    readonly result: any;
    readonly error: { code: string; message: string; place?: string } | undefined;
    readonly journal: JournalEntry[];
  }

  /**
   * Starts a flow, as `POST /v1/flows/SCRIPT` does; one with the same key that runs is given back. `flow.of` is one that a
   * script has started.
   *
   * ```ts
   * const f = await flow({ script: "customs-form", key: "77", data: { phone: "+79161234567" } });
   * await clock.to("tomorrow 10:00");
   * await f.signal("form-filled");
   * expect((await f.ended()).result).toBe("filled");
   * ```
   */
  export const flow: FlowFunction;
  export interface FlowFunction {
    (start: { script: string; key?: string | number; data?: unknown }): Promise<RunningFlow>;
    of(script: string, key: string | number): RunningFlow;
  }

  /** One request as it was sent; `json` is there when the body is JSON. */
  export interface SentRequest { method: string; url: string; headers: { [name: string]: string }; body: string; json?: any; at: string }

  export interface Mock {
    /** What to answer; an object is sent as JSON. Without it: 200 with no body. */
    reply(status: number, body?: unknown, headers?: { [name: string]: string }): Mock;
    /** The connection fails. */
    fails(message?: string): Mock;
    /** Answers so many requests; later ones go to the mock before it, or fail the test. */
    times(n: number): Mock;
    /** Answers later, in virtual time. */
    delay(time: Duration): Mock;
    /** The requests that this mock has answered. */
    readonly requests: SentRequest[];
  }

  /**
   * HTTP: of `fetch`, webhooks and sounds by URL. A request that nobody mocked fails the test.
   * @example const hook = http.on("POST", /crm\.example\.ru/).reply(503).times(1);
   */
  export const http: HttpMocks;
  export interface HttpMocks {
    /** Mocks a method (`"*"`: any) and an address: the whole URL, or a part of it as a regular expression. The latest mock wins. */
    on(method: string, url: string | RegExp): Mock;
    /** All requests so far. */
    readonly requests: SentRequest[];
  }

  /**
   * What `gather({ speech })` understands. Words of `says("…")` are understood as they are said, unless told otherwise; a
   * sound file only when told.
   * @example asr.on("yes.wav").replies("yes", { confidence: 0.9 });
   */
  export const asr: Recogniser;
  export interface Recogniser {
    on(what: string | RegExp): {
      /** An empty text: nothing was understood. */
      replies(text: string, options?: { confidence?: number; alternatives?: { text: string; confidence?: number }[] }): void;
      /** The recogniser fails. */
      fails(why?: string): void;
    };
  }

  /** A server of media streams (`call.stream`) that the test plays. Acts need not be awaited. */
  export interface StreamServer {
    /** Connections fail until `accepts`. */
    refuses(why?: string): this;
    accepts(): this;
    /** Waits for a stream and resolves with the body of its start message. `within` is 1m. */
    connected(options?: { within?: Duration }): Promise<{
      streamSid: string; callSid: string; tracks: string[]; customParameters: { [name: string]: string }; reconnect?: number;
      mediaFormat: { encoding: string; sampleRate: number; channels: number };
    }>;
    /** Waits until the party has said the words, as `Party.hears`. */
    hears(words: RegExp | string, options?: { within?: Duration }): Promise<string>;
    hearsNothing(options?: { for?: Duration }): Promise<void>;
    /** Speaks to the party, or plays a sound file of the test's folder. Resolves when it was heard, or cleared. */
    says(what: string | { audio: string }): Promise<void>;
    /** Sends a mark; it comes back in `marks` when the party has heard what was said before it. */
    mark(name: string): Promise<void>;
    /** Drops what was said and is not heard yet. */
    clear(): Promise<void>;
    /** Sends `{"event": "message", "message": body}`; a string is sent as it is, garbage included. */
    sends(body: unknown): Promise<void>;
    /** Ends the stream with a stop message. */
    stop(): Promise<void>;
    /** Closes the connection with a goodbye. */
    hangup(): Promise<void>;
    /** Breaks the connection; the client connects again. */
    drops(): Promise<void>;
    /** What it was sent, audio left out. */
    readonly messages: any[];
    readonly marks: string[];
    readonly digits: string;
    readonly heard: string[];
    readonly connections: number;
  }

  /**
   * Servers of media streams. A stream to an address that nobody mocked fails the test.
   * @example const bot = streams.on("wss://agent.example.com/media");
   */
  export const streams: StreamServers;
  export interface StreamServers {
    /** Mocks an address: the whole URL, or a part of it as a regular expression. The latest mock wins. */
    on(url: string | RegExp): StreamServer;
  }

  /**
   * Virtual time.
   * @example await clock.to("tomorrow 10:00");
   */
  export const clock: VirtualClock;
  export interface VirtualClock {
    now(): Date;
    /** Lets time pass. */
    pass(time: Duration): Promise<void>;
    /** Lets time pass until `"18:30"`, `"tomorrow 10:00"`, `"monday 9:00"`, `"2026-03-01 10:00"` (project's zone), an ISO time or a Date. */
    to(when: string | Date): Promise<void>;
  }

  /**
   * The key-value state that the scripts see. It is empty when a test begins.
   * @example await kv.set("open", true);
   */
  export const kv: TestKV;
  export interface TestKV {
    get<T = any>(key: string): Promise<T | undefined>;
    set(key: string, value: unknown, options?: { ttl?: Duration }): Promise<void>;
    delete(key: string): Promise<boolean>;
    increment(key: string, options?: { by?: number; ttl?: Duration }): Promise<number>;
    list<T = any>(prefix: string, options?: { limit?: number; after?: string }): Promise<{ key: string; value: T }[]>;
  }

  /**
   * What scripts get from `secrets.get`: for this test, and before its first call.
   * @example secrets.set("CRM_URL", "https://crm.example.ru");
   */
  export const secrets: TestSecrets;
  export interface TestSecrets { set(name: string, value: string): void }

  /**
   * Sends a request to a script's `onRequest`, as the outside does to `/v1/hooks/<script>`. Without a body it is a GET.
   * @example expect((await hook("pickup", { form: { number: "1001C", phone: "+79161112233" } })).status).toBe(200);
   */
  export function hook(script: string, request?: {
    method?: string; path?: string; query?: { [name: string]: unknown }; headers?: { [name: string]: string };
    body?: string; form?: { [name: string]: unknown }; json?: unknown;
  }): Promise<{ status: number; headers: { [name: string]: string }; body: string; json?: any }>;

  /**
   * The portal that `loopstart:bitrix24` speaks to in tests: kinds are user, contact, company, lead, deal, call, task, notify.
   * @example bitrix24.add("contact", { name: "Иван", phone: "+79161112233" });
   */
  export const bitrix24: FakeCRM;
  /**
   * The account that `loopstart:retailcrm` speaks to in tests: kinds are user, customer, order, call, event, note, task.
   * @example retailcrm.down("1h");
   */
  export const retailcrm: FakeCRM;

  /**
   * Another system in memory, with its real methods, limits and errors. Each test has its own; employee 1 is there.
   *
   * ```ts
   * bitrix24.add("contact", { name: "Иван", phone: "+79161112233", assignedById: 1 });
   * bitrix24.down("1h");
   * expect(bitrix24.all("call")).toHaveLength(1);
   * ```
   */
  export interface FakeCRM {
    /** Puts an object in; its id. */
    add(kind: string, fields?: { [name: string]: unknown }): number;
    /** What is there. */
    all(kind: string): any[];
    /** Not reachable for a while. */
    down(time: Duration): void;
    /** Answers that late from now on. */
    slow(time: Duration): void;
    /** Answers the next requests (1) with an error. */
    fail(status: number, error?: string, times?: number): void;
    /** What was asked, in order. */
    readonly requests: { method: string; params: any; at: string; error?: string }[];
  }

  /**
   * What must hold.
   * @example expect([1, 2]).not.toContain(3);
   */
  export function expect(actual: unknown): Matchers & { not: Matchers };
  export interface Matchers {
    /** The same value. */
    toBe(wanted: unknown): void;
    /** The same content; undefined members do not count. */
    toEqual(wanted: unknown): void;
    /** Has at least these members. */
    toMatchObject(wanted: unknown): void;
    toMatch(wanted: RegExp | string): void;
    /** A part of a text, or an item of a list. */
    toContain(wanted: unknown): void;
    toBeTruthy(): void;
    toBeFalsy(): void;
    toBeUndefined(): void;
    toBeDefined(): void;
    toBeNull(): void;
    toBeGreaterThan(wanted: number): void;
    toBeGreaterThanOrEqual(wanted: number): void;
    toBeLessThan(wanted: number): void;
    toBeLessThanOrEqual(wanted: number): void;
    toHaveLength(wanted: number): void;
    /** The function throws; with a text or expression, such a message. */
    toThrow(wanted?: RegExp | string): void;
  }
}
