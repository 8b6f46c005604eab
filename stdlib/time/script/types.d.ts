/** Opening hours and civil time. */
declare module "loopstart:time" {
  /** Hours as in loopstart.yaml: `{ open: { "mon-fri": "09:00-18:00" }, closed: ["2026-12-31..2027-01-08"] }`. */
  export interface Schedule {
    open: { [days: string]: string | string[] };
    closed?: string[];
    extra?: string[];
    /** IANA name; the project's zone when missing. */
    zone?: string;
  }
  export interface Options {
    /** A Date, milliseconds or RFC 3339; now when missing. */
    at?: Date | number | string;
    /** Reads the hours in another zone. */
    zone?: string;
  }
  /**
   * Is it open? `schedule` is a name of loopstart.yaml or written out.
   * @example if (!isOpen("office", { at: Date.now() + 3600_000 })) await call.say("Через час мы закрываемся.");
   */
  export function isOpen(schedule: string | Schedule, options?: Options): boolean;
  /**
   * The next change; undefined when there is none within 400 days.
   * @example const change = next("office");
   */
  export function next(schedule: string | Schedule, options?: Options): { at: Date; opens: boolean } | undefined;
  /**
   * @example await call.say(["Мы откроемся в", { time: nextOpen("office") ?? "09:00" }]);
   */
  export function nextOpen(schedule: string | Schedule, options?: Options): Date | undefined;
  /**
   * @example const closes = nextClose({ open: { "mon-fri": "09:00-18:00" } });
   */
  export function nextClose(schedule: string | Schedule, options?: Options): Date | undefined;

  export interface Local {
    year: number; month: number; day: number; hour: number; minute: number; second: number;
    /** Monday is 1. */
    weekday: number;
    /** `2026-12-01` */
    date: string;
    /** `10:00` */
    time: string;
    /** RFC 3339 with the zone's offset. */
    iso: string;
  }
  /**
   * Time zones by their IANA names; the project's when none is given.
   * @example const { hour } = zones.local("Asia/Almaty");
   */
  export const zones: {
    has(zone: string): boolean;
    /** What a clock on the wall shows there. */
    local(zone?: string, options?: { at?: Date | number | string }): Local;
    /** Minutes east of UTC. */
    offset(zone?: string, options?: { at?: Date | number | string }): number;
    /** The instant at which the wall shows `"2026-12-01 10:00"`, `"tomorrow 10:00"` or `"today 18:00"`. */
    instant(wall: string, zone?: string): Date;
  };
}
