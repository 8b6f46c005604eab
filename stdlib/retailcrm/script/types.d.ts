/**
 * RetailCRM: triggers that order calls, orders and their fields, who calls, the history of calls. The account's key is in
 * `retailcrm` of loopstart.yaml; scripts never see it.
 *
 * ```ts
 * import { finishCall, updateOrder } from "loopstart:retailcrm";
 *
 * export async function afterCall(record) {
 *   await updateOrder({ number: record.data.order }, { customFields: { call_result: record.outcome } });
 *   await finishCall(record);
 * }
 * ```
 */
declare module "loopstart:retailcrm" {
  import type { Call, CallRecord } from "loopstart:call";

  /** `"5s"`, `"1m30s"`, `"80ms"`, or a number of milliseconds. */
  export type Duration = string | number;

  /** Who a number belongs to. */
  export interface Caller {
    known: boolean;
    /** `false` when the account did not answer in time: the rest is what it said the last time, if anything. */
    available: boolean;
    error?: string;
    id?: string;
    externalId?: string;
    name?: string;
    /** The responsible manager, if at work. `target` is for `call.connect`: the user of loopstart.yaml with that code. */
    manager?: { id: string; code?: string; name?: string; target?: string };
    links?: { newOrderLink?: string; lastOrderLink?: string; newCustomerLink?: string; customerLink?: string };
  }

  /** An order by its number, its id in the shop (`externalId`), or its id in RetailCRM; `site` is `retailcrm.site`. */
  export type OrderRef = ({ number: string | number } | { externalId: string | number } | { id: string | number }) & { site?: string };

  /**
   * Looks the other party, or a number, up. Never rejects for what the account does: a call goes on without it. Waits
   * `timeout` (2s). With `ignoreStatus` also managers who are not at work.
   * @example
   * const who = await caller(call);
   * await call.connect(who.manager?.target ?? "sales");
   */
  export function caller(phone: Call | string | undefined, options?: { timeout?: Duration; ignoreStatus?: boolean }): Promise<Caller>;

  /**
   * Reads an order as the API has it; `undefined` when there is none.
   * @example const { status } = (await order({ number: "1001C" })) ?? {};
   */
  export function order(ref: OrderRef): Promise<any>;

  /**
   * Changes fields of an order: `status`, `customFields`, `managerComment`… Resolves when that is on disk; it is
   * delivered when the account can take it, in order per order.
   * @example await updateOrder({ number: "1001C" }, { status: "confirmed", customFields: { call_result: "key 1" } });
   */
  export function updateOrder(ref: OrderRef, changes: { [field: string]: unknown }): Promise<{ id: string }>;

  /**
   * Shows the managers that a call comes in or goes out, or is over. `available` is false when the account did not
   * answer in `timeout` (2s).
   * @example await callEvent(call, { codes: ["101"] });
   */
  export function callEvent(call: Call, options?: {
    /** Default: the call's direction. */
    type?: "in" | "out" | "hangup";
    /** Of a hangup: an outcome of the record. */
    outcome?: string;
    /** Codes of the managers who see it. */
    codes?: string[];
    /** IDs of the managers who see it. */
    users?: number[];
    site?: string;
    timeout?: Duration;
  }): Promise<{ available: boolean; error?: string }>;

  /**
   * Puts the call into the account's history, with a link to its recording. Resolves when that is on disk; it is delivered
   * when the account can take it, once per call. Made for `afterCall`.
   * @example export const afterCall = (record) => finishCall(record, { code: record.result?.operator });
   */
  export function finishCall(record: CallRecord, options?: {
    /** Code of the manager who talked; default `retailcrm.code`. */
    code?: string;
    /** Or the manager's ID. */
    user?: number;
    site?: string;
    /** Default: by the outcome. */
    result?: "answered" | "busy" | "failed" | "no answer" | "not allowed" | "unknown";
    /** Send a link to the recording; default true. */
    recording?: boolean;
  }): Promise<{ queued: boolean }>;

  /**
   * Makes a request below /api/v5/ and resolves with the answer. Values that are no text are sent as JSON.
   * @example const { statuses } = await rest("GET reference/statuses");
   */
  export function rest<T = any>(request: string, params?: { [name: string]: unknown }, options?: { timeout?: Duration }): Promise<T>;

  /**
   * Makes a POST that must not be lost: resolves when it is on disk, and it is repeated until the account has taken it, in
   * order per `key`. An answer that was lost makes it happen twice.
   * @example await send("POST tasks/create", { task: { text: "Перезвонить", performerId: 1 }, site: "shop" }, { key: "1001C" });
   */
  export function send(request: string, params?: { [name: string]: unknown }, options?: { key?: string }): Promise<{ id: string }>;

  /**
   * The fields of a trigger's HTTP request, whether it sends them as query, form or JSON.
   * @example
   * export function onRequest(request) {
   *   const { number, phone, sum } = trigger(request);
   *   console.log("order", number, phone, sum);
   * }
   */
  export function trigger(request: { query: { [name: string]: string | string[] }; form: object; json?: any }): { [name: string]: any };
}
