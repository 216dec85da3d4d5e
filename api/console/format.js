// Numbers, times and money for people: Persian digits and the Jalali calendar in Persian.

import { current, t } from "./i18n.js";

const locale = () => (current() === "fa" ? "fa-IR" : "en-GB");
const calendar = () => (current() === "fa" ? "fa-IR-u-ca-persian" : "en-GB");
const made = new Map();

function maker(kind, where, options) {
  const key = `${kind.name} ${where} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new kind(where, options));
  return made.get(key);
}

/** A number with separators. */
export const number = (value, options = {}) => maker(Intl.NumberFormat, locale(), options).format(value);

/** A number without separators, such as an id. */
export const digits = (value) => (typeof value === "number" ? number(value, { useGrouping: false }) : String(value));

/** A share of one as a percentage. */
export const share = (value) => number(value, { style: "percent", maximumFractionDigits: 1 });

/** An amount of rials, in tomans as people speak of it. */
export function money(rials) {
  const tomans = rials / 10;
  return t("money.toman", { amount: number(tomans, { maximumFractionDigits: 1 }) });
}

/** The same in rials. */
export const rials = (amount) => t("money.rial", { amount: number(amount) });

/** A time, whole. */
export function time(text) {
  const options = { dateStyle: "medium", timeStyle: "medium" };
  return maker(Intl.DateTimeFormat, calendar(), options).format(new Date(text));
}

/** The hour and minute of a time; the day as well unless it is today, and the year of what is long ago. */
export function shortTime(text) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  const far = Math.abs(Date.now() - at.getTime()) > 300 * 86_400_000;
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  const options = today ? clock : { month: "short", day: "numeric", ...(far ? { year: "numeric" } : { ...clock, second: undefined }) };
  return maker(Intl.DateTimeFormat, calendar(), options).format(at);
}

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** How long ago, or until when, in words. */
export function ago(text, now = Date.now()) {
  const seconds = Math.round((new Date(text).getTime() - now) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  const words = maker(Intl.RelativeTimeFormat, locale(), { numeric: "auto" });
  return words.format(Math.trunc(seconds / size), unit);
}

/** A length of time in milliseconds. */
export function duration(ms) {
  if (ms > 0 && ms < 1000) return t("time.ms", { n: number(Math.round(ms)) });
  return seconds(ms / 1000);
}

/** A length of time in seconds. */
export function seconds(value) {
  if (value < 60) return t("time.s", { n: number(value, { maximumFractionDigits: 1 }) });
  if (value < 7200) return t("time.min", { n: number(Math.round(value / 60)) });
  if (value < 172_800) return t("time.h", { n: number(Math.round(value / 3600)) });
  return t("time.d", { n: number(Math.round(value / 86_400)) });
}
