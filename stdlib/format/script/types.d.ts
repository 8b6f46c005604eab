/** Numbers, money, dates and counted things in words. The language is the project's when none is given. */
declare module "loopstart:format" {
  export type Case = "nom" | "gen" | "dat" | "acc" | "ins" | "pre";
  export interface Options {
    /** BCP 47; words exist for ru, en and kk. */
    language?: string;
  }
  /** `number(21, { gender: "f" })` is «двадцать одна». */
  export function number(value: number | string, options?: Options & { case?: Case; gender?: "m" | "f" | "n" }): string;
  /** `ordinal(21)` is «двадцать первый». */
  export function ordinal(value: number | string, options?: Options & { case?: Case; gender?: "m" | "f" | "n" }): string;
  /** `money("1521,50", { currency: "RUB" })` */
  export function money(value: number | string, options?: Options & { currency?: string; case?: Case }): string;
  /** `date("31.12.2026", { case: "gen" })`; a Date is read in the zone of the project. */
  export function date(value: string | Date, options?: Options & { case?: Case; year?: boolean }): string;
  /** `time("10:30")` */
  export function time(value: string | Date, options?: Options & { case?: Case }): string;
  /** `count(5, { of: ["заказ", "заказа", "заказов"] })` is «пять заказов». */
  export function count(value: number | string, options: Options & { of: string[]; case?: Case }): string;
  /** Digit by digit. */
  export function digits(value: string | number, options?: Options): string;
  /** Letter by letter. */
  export function spell(value: string, options?: Options): string;
  /** In groups with pauses. */
  export function phone(value: string | number, options?: Options): string;
}
