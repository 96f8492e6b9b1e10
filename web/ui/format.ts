/** Nothing to show. */
export const NONE = "–";

/** Decimal text with its whole part in groups of three: "61837.63" is "61,837.63". Digits stay as they are. */
export function group(decimal: string): string {
  const negative = decimal.startsWith("-");
  const digits = negative ? decimal.slice(1) : decimal;
  const point = digits.indexOf(".");
  const whole = point < 0 ? digits : digits.slice(0, point);
  let out = "";
  for (let end = whole.length; end > 0; end -= 3) {
    const start = Math.max(0, end - 3);
    out = out === "" ? whole.slice(start, end) : `${whole.slice(start, end)},${out}`;
  }
  return (negative ? "−" : "") + out + (point < 0 ? "" : digits.slice(point));
}

/** How long ago, in as few characters as can be read at a glance. Clocks that disagree show as now. */
export function age(ms: number): string {
  if (ms < 9_950) return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
  const s = Math.round(ms / 1000);
  if (s < 100) return `${s}s`;
  if (s < 100 * 60) return `${Math.floor(s / 60)}m`;
  if (s < 100 * 3600) return `${Math.floor(s / 3600)}h`;
  return `${Math.floor(s / 86_400)}d`;
}

/** A duration of a hop: one decimal below ten milliseconds, none above, seconds from ten thousand. */
export function duration(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return NONE;
  const size = Math.abs(ms);
  const text = size < 9.95 ? `${size.toFixed(1)} ms` : size < 10_000 ? `${Math.round(size)} ms` : `${Math.round(size / 1000)} s`;
  return ms < 0 && !text.startsWith("0.0") ? `−${text}` : text;
}

/** A count or speed with three digits at most: 950, 1.2k, 37k. */
export function compact(n: number): string {
  if (n < 999.5) return n < 9.95 && n % 1 >= 0.05 ? n.toFixed(1) : String(Math.round(n));
  const units = ["k", "M", "G", "T"];
  let value = n;
  let unit = "";
  for (const u of units) {
    if (value < 999.5) break;
    value /= 1000;
    unit = u;
  }
  return (value < 9.95 ? value.toFixed(1) : String(Math.round(value))) + unit;
}

/** A count of things, by the name of one of them. */
export function count(n: number, one: string): string {
  return `${compact(n)} ${one}${n === 1 ? "" : "s"}`;
}

/** Time of day in the viewer's zone, to the second, of milliseconds since the Unix epoch. */
export function clock(ms: number): string {
  return timeOfDay(ms * 1000).slice(0, 8);
}

/** Time of day in the viewer's zone, to the millisecond, of microseconds since the Unix epoch. */
export function timeOfDay(us: number): string {
  const at = new Date(us / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** How many leading characters two texts share, which is where a changed price begins to differ. */
export function sharedPrefix(a: string, b: string): number {
  if (a.length !== b.length) return 0;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return i;
}

/** The spread as a share of the middle, where that can be said. */
export function basisPoints(bid: number | null, ask: number | null): string {
  if (bid === null || ask === null || bid + ask <= 0) return "";
  const points = ((ask - bid) / ((ask + bid) / 2)) * 10_000;
  return ` · ${points.toFixed(points < 0.995 ? 2 : 1)} bp`;
}

/** Decimal text in at most five digits and a unit: "1234567.89" is "1.2346M". Small numbers stay as they are. */
export function compactDecimal(decimal: string): string {
  const [whole = "", fraction = ""] = decimal.split(".");
  const digits = whole.replace("-", "");
  if (digits.length <= 4) return group(digits.length + fraction.length <= 7 || fraction === "" ? decimal : `${whole}.${fraction.slice(0, 7 - digits.length)}`);
  const thousands = Math.min(4, Math.floor((digits.length - 1) / 3));
  const point = digits.length - 3 * thousands;
  const sign = whole.startsWith("-") ? "-" : "";
  const tail = digits.slice(point, Math.max(point, 5)).replace(/0+$/, "");
  return group(sign + digits.slice(0, point) + (tail === "" ? "" : `.${tail}`)) + ["", "k", "M", "B", "T"][thousands]!;
}

/** Bytes per second in three digits and a unit: "6.5 kB/s". */
export function byteRate(bytesPerSecond: number): string {
  const text = compact(bytesPerSecond);
  const unit = /[kMGT]$/.test(text) ? text.slice(-1) : "";
  return `${unit === "" ? text : text.slice(0, -1)} ${unit}B/s`;
}
