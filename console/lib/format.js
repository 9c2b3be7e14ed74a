// Numbers, times and texts for people.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const numbers = new Intl.NumberFormat("en");
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "long" });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** `12,345` @param {number} value */
export function count(value) {
  return numbers.format(value);
}

/** `12.3K`, for axes @param {number} value */
export function shortCount(value) {
  return compact.format(value);
}

/** `1 key`, `2 keys` @param {number} value @param {string} one @param {string} [many] */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/**
 * `3 days ago`, `in 2 hours`, `just now`
 * @param {string} time RFC 3339
 * @param {number} now
 */
export function ago(time, now) {
  const difference = Date.parse(time) - now;
  const size = Math.abs(difference);
  // The server's `Date` has whole seconds: the last use may seem to be in the future.
  if (size < 45_000) return difference > 3_000 ? "in less than a minute" : "just now";
  if (size < 45 * MINUTE) return relative.format(Math.round(difference / MINUTE), "minute");
  if (size < 23 * HOUR) return relative.format(Math.round(difference / HOUR), "hour");
  if (size < 60 * DAY) return relative.format(Math.round(difference / DAY), "day");
  if (size < 700 * DAY) return relative.format(Math.round(difference / (30.44 * DAY)), "month");
  return relative.format(Math.round(difference / (365.25 * DAY)), "year");
}

/** `2026-11-30 20:41:05` in the time zone of the browser @param {string} time RFC 3339 */
export function exact(time) {
  const at = new Date(time);
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `Nov 30`, of a day in UTC @param {string} time RFC 3339 */
export function day(time) {
  return new Date(time).toLocaleDateString("en", { month: "short", day: "numeric", timeZone: "UTC" });
}

/** `100 uses in 60 seconds` @param {{ limit: number, windowInSeconds: number } | undefined} limit */
export function rateLimit(limit) {
  if (!limit) return "none";
  return `${plural(limit.limit, "use")} in ${plural(limit.windowInSeconds, "second")}`;
}

/** `…a1b2c3`: the last characters of a masked value @param {string} value */
export function tail(value) {
  return `…${value.slice(-6)}`;
}
