/** Calls that we begin: single orders, campaigns, and the stop-list. */
declare module "loopstart:campaign" {
  import type { Duration } from "loopstart:core";

  /** RFC 3339, a `Date`, or how long from now: `"2h"`. */
  export type When = string | number | Date;

  /** Hours: `"09:00-21:00"`, `"mon-fri 09:00-21:00; sat 10:00-16:00"`, a list of ranges, or an object of weekdays. */
  export type Hours = string | string[] | { [days: string]: string | string[] };

  /** Pause before the next attempt by outcome, or `"never"`; `default` names the others. */
  export type Retry = { [outcome: string]: Duration | "never" };

  /** One ordered call; several attempts may be made. */
  export interface Order<Data = any> {
    /** Name of the script that talks. */
    script: string;
    /** A number, a user or a group. */
    to: string;
    /** Your name for the business object: while its order is open, a second one returns it. */
    key?: string;
    from?: string;
    trunk?: string;
    /** The callee sees no number; the trunk does. */
    hide?: boolean;
    /** `call.data` of the script; checked against its `config.data`. */
    data?: Data;
    /** Longest ringing. */
    timeout?: Duration;
    /** When to dial; default: now. */
    at?: When;
    /** Hours in which the callee may be called, by the clock of `zone`. */
    window?: Hours;
    /** A time zone, or `"callee"` (the default): the one that the number tells, else the project's. */
    zone?: string;
    /** How many dials at most (1). */
    attempts?: number;
    retry?: Retry;
    /** Not dialled any more from then on. */
    expires?: When;
    /** When a call counts as delivered: `"6s"`, `"80%"` or `"key"`. */
    deliveredAfter?: string;
    /** -100 to 100: higher ones go first when lines are scarce. */
    priority?: number;
    callback?: string | { url: string; events?: string[]; secret?: string };
    /** An order for the same script, number and key within this time is returned instead of a new one. */
    dedupe?: Duration;
  }

  /**
   * Orders a call. Resolves when the order is on disk.
   * @example
   * const { id } = await schedule({ script: "reminder", to: "+79161234567", key: `order-${order}`, data: { order },
   *   window: "09:00-21:00", attempts: 3, retry: { busy: "5m", default: "1h" } });
   */
  export function schedule<Data = any>(order: Order<Data>): Promise<{ id: string; state: string }>;

  /**
   * Hangs an order up and cancels what is left of it. Rejects `NOT_FOUND` when there is none.
   * @example await cancel({ key: "order-77" });
   */
  export function cancel(which: { id: string } | { key: string }): Promise<void>;

  /**
   * Numbers that no order and no campaign dials. It is looked at in the instant of dialling.
   * @example if (choice.value === "never") await stopList.add(call.remote.e164, { reason: "asked in the call" });
   */
  export const stopList: {
    /** Resolves when the number is on disk. Without `expires` it stays for good. */
    add(phone: string, options?: { reason?: string; expires?: When }): Promise<void>;
    has(phone: string): Promise<boolean>;
    /** Tells whether it was there. */
    delete(phone: string): Promise<boolean>;
  };

  /** What a campaign is asked to do. */
  export interface CampaignSpec {
    name?: string;
    script: string;
    trunk?: string;
    from?: string;
    /** The callees see no number; the trunk does. */
    hide?: boolean;
    /** Dials of one contact at most, over all outcomes, numbers and restarts (1). */
    attempts?: number;
    retry?: Retry;
    window?: Hours;
    /** Hours in which nobody is called. */
    quiet?: Hours;
    /** `"2026-12-31"`, `"2026-12-31..2027-01-08"`. */
    holidays?: string[];
    zone?: string;
    /** Attempts at once (10). */
    maxCalls?: number;
    /** New attempts a second. */
    maxCps?: number;
    priority?: number;
    /** `phone` (default): no number twice; `key`: no key twice. */
    dedupe?: "phone" | "key";
    /** Attempts of one contact a day. */
    dailyCap?: number;
    /** Dials of one number at most, whichever campaigns and orders they come from. */
    frequency?: { calls: number; per: Duration }[];
    timeout?: Duration;
    deliveredAfter?: string;
    expires?: string | Date;
    /** Contacts dialled after which it pauses by itself: a rehearsal. */
    pauseAfter?: number;
    /** Pauses by itself when a rate (0 to 1) leaves its band. */
    stopWhen?: { after?: number; answerRate?: { min?: number; max?: number }; keyRate?: { min?: number; max?: number } };
    callback?: string | { url: string; events?: string[]; secret?: string };
  }

  /** One person of a campaign. */
  export interface NewContact {
    phone: string;
    phones?: string[];
    key?: string;
    zone?: string;
    at?: When;
    expires?: When;
    priority?: number;
    data?: { [name: string]: unknown };
  }

  /** How far a campaign is. */
  export interface CampaignCounts {
    contacts: number;
    waiting: number;
    dialing: number;
    done: number;
    dialled: number;
    attempts: number;
    answered: number;
    keyed: number;
    talkMs: number;
    outcomes: { [outcome: string]: number };
  }

  /** A campaign as it stands. */
  export interface Campaign extends CampaignSpec {
    id: string;
    state: "draft" | "running" | "paused" | "completed" | "cancelled";
    /** Why it was paused by itself. */
    reason?: string;
    counts: CampaignCounts;
  }

  /**
   * Lists of people to call, as in the HTTP API.
   * @example
   * const { id } = await campaigns.create({ script: "reminder", attempts: 3, window: "09:00-21:00" });
   * await campaigns.add(id, people.map((p) => ({ phone: p.phone, key: p.id, data: { name: p.name } })));
   * await campaigns.start(id, { pauseAfter: 20 });
   */
  export const campaigns: {
    create(spec: CampaignSpec): Promise<{ id: string; state: string }>;
    get(id: string): Promise<Campaign>;
    /** Changes limits and rules, also while it runs. */
    patch(id: string, fields: Partial<CampaignSpec>): Promise<Campaign>;
    start(id: string, options?: { pauseAfter?: number }): Promise<{ id: string; state: string }>;
    pause(id: string): Promise<{ id: string; state: string }>;
    resume(id: string, options?: { pauseAfter?: number }): Promise<{ id: string; state: string }>;
    cancel(id: string): Promise<{ id: string; state: string }>;
    /** Adds at most 10,000 contacts, at any time before `cancel`. Those whose number or key is there already are duplicates. */
    add(id: string, contacts: NewContact | NewContact[]): Promise<{
      accepted: number;
      duplicates: number;
      refused: number;
      rejected: { line: number; phone?: string; code: string; message: string }[];
    }>;
    /** One contact, by its key or its number. */
    contact(id: string, key: string): Promise<{
      key: string;
      phone: string;
      state: "waiting" | "dialing" | "done";
      outcome?: string;
      reason?: string;
      nextAt?: string;
      attempts: { id: string; at: string; phone: string; outcome?: string; code?: number }[];
      result?: any;
    }>;
  };
}
