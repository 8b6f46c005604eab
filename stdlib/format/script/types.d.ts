/** Numbers, money, dates and counted things in words. The language is the project's when none is given. */
declare module "loopstart:format" {
  export type Case = "nom" | "gen" | "dat" | "acc" | "ins" | "pre";
  export interface Options {
    /** BCP 47; words exist for ru, en and kk. */
    language?: string;
  }
  /**
   * `number(21, { gender: "f" })` is «двадцать одна».
   * @example number(21, { gender: "f", case: "gen" }); // двадцати одной
   */
  export function number(value: number | string, options?: Options & { case?: Case; gender?: "m" | "f" | "n" }): string;
  /**
   * `ordinal(21)` is «двадцать первый».
   * @example ordinal(21, { case: "dat" }); // двадцать первому
   */
  export function ordinal(value: number | string, options?: Options & { case?: Case; gender?: "m" | "f" | "n" }): string;
  /**
   * `money("1521,50", { currency: "RUB" })`
   * @example money("1521,50", { currency: "RUB", case: "acc" }); // одну тысячу пятьсот двадцать один рубль пятьдесят копеек
   */
  export function money(value: number | string, options?: Options & { currency?: string; case?: Case }): string;
  /**
   * `date("31.12.2026", { case: "gen" })`; a Date is read in the zone of the project. The year
   * is said with `year: true` only; the part `{ date }` of a prompt decides by itself.
   * @example date("31.12.2026", { case: "gen", year: false }); // тридцать первого декабря
   */
  export function date(value: string | Date, options?: Options & { case?: Case; year?: boolean }): string;
  /**
   * `time("10:30")`
   * @example time("10:30");
   */
  export function time(value: string | Date, options?: Options & { case?: Case }): string;
  /**
   * `count(5, { of: ["заказ", "заказа", "заказов"] })` is «пять заказов».
   * @example count(22, { of: ["заказ", "заказа", "заказов"] }); // двадцать два заказа
   */
  export function count(value: number | string, options: Options & { of: string[]; case?: Case }): string;
  /**
   * Digit by digit.
   * @example digits("4031"); // четыре ноль три один
   */
  export function digits(value: string | number, options?: Options): string;
  /**
   * Letter by letter.
   * @example spell("А12Б");
   */
  export function spell(value: string, options?: Options): string;
  /**
   * In groups with pauses.
   * @example phone("+79161234567");
   */
  export function phone(value: string | number, options?: Options): string;
}
