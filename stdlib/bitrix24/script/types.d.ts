/**
 * Bitrix24: who calls, call cards, leads, tasks. Credentials are in `bitrix24` of loopstart.yaml; scripts never see them.
 *
 * ```ts
 * import { caller, finishCall, openCard } from "loopstart:bitrix24";
 *
 * export default async function (call) {
 *   const who = await caller(call);
 *   await openCard(call, { user: who.manager?.id });
 *   await call.connect(who.manager?.onShift && who.manager.target || "sales");
 * }
 *
 * export const afterCall = (record) => finishCall(record);
 * ```
 */
declare module "loopstart:bitrix24" {
  import type { Call, CallRecord } from "loopstart:call";

  /** `"5s"`, `"1m30s"`, `"80ms"`, or a number of milliseconds. */
  export type Duration = string | number;

  /** Who a number belongs to. */
  export interface Caller {
    known: boolean;
    /** `false` when the portal did not answer in time: the rest is what it said the last time, if anything. */
    available: boolean;
    error?: string;
    type?: "contact" | "company" | "lead";
    id?: number;
    name?: string;
    manager?: Manager;
  }

  /** The employee who is responsible. */
  export interface Manager {
    id: number;
    /** Inner number. */
    inner?: string;
    /** Mobile phone, E.164. */
    mobile?: string;
    /** The working day has begun, or working time is not kept. */
    onShift: boolean;
    shift: "opened" | "paused" | "closed" | "expired" | "unknown";
    /** For `call.connect`: the user of loopstart.yaml with that inner number, else the mobile phone. */
    target?: string;
  }

  /** A lead, contact or company. */
  export interface Entity { type: "lead" | "contact" | "company"; id: number; created?: boolean }

  /** On whose behalf a call is kept, and how. Without `user` and `inner`: `bitrix24.user` of loopstart.yaml. */
  export interface CardOptions {
    /** ID of the employee. */
    user?: number;
    /** Inner number of the employee. */
    inner?: string;
    /** Default: the call's direction. `info` is for robots. */
    type?: "outbound" | "inbound" | "forwarded" | "callback" | "info";
    /** Line of the portal; default `bitrix24.line`, else our number of the call. */
    line?: string;
    /** The portal makes a lead when it knows nobody of that number. `lead()` is safer with many calls at once. */
    create?: boolean;
    /** Source of that lead: `CALL`, … */
    source?: string;
    /** Whom the call is about; default: who has the number. */
    entity?: Entity;
    /** Call list of the portal. */
    list?: number;
    /** Message in the employee's chat; default true. */
    addToChat?: boolean;
  }

  /**
   * Looks the other party, or a number, up. Never rejects for what the portal does: a call goes on without it. Waits
   * `timeout` (2s).
   * @example
   * const who = await caller(call, { timeout: "1500ms" });
   * await call.say(who.known ? `Здравствуйте, ${who.name}!` : "Здравствуйте!");
   */
  export function caller(phone: Call | string | undefined, options?: { timeout?: Duration }): Promise<Caller>;

  /**
   * The contact, company or lead that has the number; if there is none, a new lead (or contact). However many calls of
   * one number ask at once, one is made.
   * @example const { id, created } = await lead({ phone: call.remote.e164!, title: "Новый водитель", source: "CALL" });
   */
  export function lead(options: {
    phone: string;
    type?: "lead" | "contact";
    title?: string;
    name?: string;
    source?: string;
    /** ID of the responsible employee. */
    assigned?: number;
    comment?: string;
    /** More fields, as crm.item.add names them. */
    fields?: { [name: string]: unknown };
  }): Promise<Entity>;

  /**
   * Registers the call and shows its card. Needs a local application. A portal that does not answer in `timeout` (3s)
   * gives `available: false`; `finishCall` makes the card then.
   * @example const card = await openCard(call, { inner: "101" });
   */
  export function openCard(call: Call, options?: CardOptions & { show?: boolean; timeout?: Duration }):
    Promise<{ available: boolean; error?: string; id?: string; lead?: number; type?: string; entityId?: number }>;

  /**
   * Shows the card to more employees; `false` when there is no card.
   * @example await call.connect("sales", { onAnswer: () => showCard(call, 7) });
   */
  export function showCard(call: Call, users: number | number[]): Promise<boolean>;

  /**
   * Hides the card from employees; `false` when there is no card.
   * @example await hideCard(call, [7, 8]);
   */
  export function hideCard(call: Call, users: number | number[]): Promise<boolean>;

  /**
   * Tells the portal how the call ended and gives it the recording. Resolves when that is on disk; it is delivered when
   * the portal can take it, once per call. `queued` is false where there is nothing to tell: nobody was called, or the
   * caller was anonymous. Made for `afterCall`.
   * @example export const afterCall = (record) => finishCall(record, { inner: record.result?.operator });
   */
  export function finishCall(record: CallRecord, options?: CardOptions & {
    /** Default: by the outcome. */
    status?: "200" | "304" | "603" | "603-S" | "403" | "404" | "486" | "484" | "503" | "480" | "402" | "423" | "OTHER";
    reason?: string;
    cost?: number;
    /** Default RUB. */
    currency?: string;
    /** Mark from 1 to 5. */
    vote?: number;
    /** Attach the recording; default true. */
    recording?: boolean;
  }): Promise<{ queued: boolean }>;

  /**
   * Calls any method and resolves with its result.
   * @example const { item } = await rest("crm.item.get", { entityTypeId: 2, id: 7 });
   */
  export function rest<T = any>(method: string, params?: { [name: string]: unknown }, options?: { timeout?: Duration }): Promise<T>;

  /**
   * Calls a list method page by page and resolves with all rows, at most `limit` (5000).
   * @example const deals = await list("crm.item.list", { entityTypeId: 2, filter: { stageId: "NEW" } }, { limit: 200 });
   */
  export function list<T = any>(method: string, params?: { [name: string]: unknown }, options?: { limit?: number }): Promise<T[]>;

  /**
   * Up to 50 methods in one request. Later commands may use earlier results: `$result[name][field]`.
   * @example const { results, errors } = await batch({ me: ["profile"], users: ["user.get", { ID: 1 }] });
   */
  export function batch(commands: { [name: string]: [method: string, params?: { [name: string]: unknown }] }, options?: { halt?: boolean }):
    Promise<{ results: { [name: string]: any }; errors: { [name: string]: { code: string; message: string } } }>;

  /**
   * Calls a method that must not be lost: resolves when it is on disk, and it is repeated until the portal has taken it,
   * in order per `key`. An answer that was lost makes it happen twice.
   * @example await send("tasks.task.add", { fields: { TITLE: "Перезвонить", RESPONSIBLE_ID: 1 } }, { key: call.remote.e164 });
   */
  export function send(method: string, params?: { [name: string]: unknown }, options?: { key?: string }): Promise<{ id: string }>;

  /**
   * Reads an event or outgoing webhook of the portal in `onRequest`; rejects `DENIED` when it is not the portal's.
   * @example
   * export async function onRequest(request) {
   *   const { event: name, data } = await event(request);
   *   if (name === "ONEXTERNALCALLSTART") await schedule({ script: "dial", to: data.PHONE_NUMBER_INTERNATIONAL });
   * }
   */
  export function event(request: { text: string }): Promise<{ event: string; data: any; ts: string; domain: string }>;
}
