/** Telephone numbers as people write them, read by the project's country. */
declare module "loopstart:phone" {
  export interface Options {
    /** ISO 3166, such as `"KZ"`; the project's country when missing. */
    country?: string;
  }
  export interface PhoneNumber {
    /** `+79161234567` */
    e164: string;
    /** Calling code: `7`. */
    code?: string;
    /** Without code and trunk prefix: `9161234567`. */
    national?: string;
    /** ISO 3166. */
    region?: string;
    /** The numbering plan has such a number. */
    valid: boolean;
    kind?: "fixed" | "mobile" | "fixed_or_mobile" | "toll_free" | "premium" | "shared_cost" | "personal" | "voip" | "pager" | "company" | "voicemail";
    /** IANA name of its time zone. */
    zone?: string;
    /** False when `zone` is only the likeliest. */
    zoneExact: boolean;
  }
  /**
   * All that is known of a number. Throws `INVALID` when it is none.
   * @example const { valid, kind } = parse("8 916 123-45-67");
   */
  export function parse(number: string | number, options?: Options): PhoneNumber;
  /**
   * `+79161234567`, or undefined when it is no number.
   * @example e164("8 (916) 123-45-67"); // +79161234567
   */
  export function e164(number: string | number, options?: Options): string | undefined;
  /**
   * ISO 3166 country of a number.
   * @example region("+77011234567"); // KZ
   */
  export function region(number: string | number, options?: Options): string | undefined;
  /**
   * IANA name of the time zone of a number.
   * @example zone("+79161234567"); // Europe/Moscow
   */
  export function zone(number: string | number, options?: Options): string | undefined;
  /**
   * `e164` `+7916…`, `digits` `7916…`, `national` `8916…`; undefined when it is no number.
   * @example format("+79161234567", { style: "national" }); // 89161234567
   */
  export function format(number: string | number, options?: Options & { style?: "e164" | "digits" | "national" }): string | undefined;
}
