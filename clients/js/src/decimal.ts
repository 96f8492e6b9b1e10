import type { Instrument } from './types.js';

/** What stands for a value that is not there. */
const NONE = '–';

/**
 * Decimal text of a scaled integer with exactly `scale` decimals: formatDecimal(6183763, 2) is
 * "61837.63". Works on digits alone, so nothing is ever rounded. Throws RangeError unless value is a safe
 * integer and scale an integer from 0 to 18.
 */
export function formatDecimal(value: number, scale: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError(`value ${value}: want an integer within 2^53`);
  if (!Number.isInteger(scale) || scale < 0 || scale > 18) throw new RangeError(`scale ${scale}: want an integer from 0 to 18`);
  const digits = String(Math.abs(value)).padStart(scale + 1, '0');
  const point = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return value < 0 ? `-${text}` : text;
}

/**
 * The scaled integer of decimal text: parseDecimal("61837.63", 2) is 6183763. Exact or not at all: throws RangeError for text that
 * is no plain decimal, has more decimals than the scale other than zeros, or does not fit 2^53.
 */
export function parseDecimal(text: string, scale: number): number {
  const [, sign, whole, decimals = ''] = /^([-+]?)(\d+)(?:\.(\d*))?$/.exec(text.trim()) ?? [];
  const value = whole === undefined || /[1-9]/.test(decimals.slice(scale)) ? NaN : Number(whole + decimals.slice(0, scale).padEnd(scale, '0'));
  if (!Number.isSafeInteger(value)) throw new RangeError(`${JSON.stringify(text)}: want a decimal with at most ${scale} decimals, within 2^53`);
  return sign === '-' && value !== 0 ? -value : value;
}

/** A price at the decimals of the instrument's step; "–" for null. */
export function formatPrice(value: number | null, instrument: Instrument): string {
  return formatStepped(value, instrument.priceScale, instrument.priceStep);
}

/** A size at the decimals of the instrument's step; "–" for null. */
export function formatSize(value: number | null, instrument: Instrument): string {
  return formatStepped(value, instrument.sizeScale, instrument.sizeStep);
}

/**
 * Zeros that the step can never fill are left out, so that a column keeps one width. Where the step is
 * unknown, zeros at the end go down to two decimals. A digit other than zero always stays.
 */
function formatStepped(value: number | null, scale: number, step: number): string {
  if (value === null) return NONE;
  const text = formatDecimal(value, scale);
  const keep = step > 0 ? scale - zerosAtEnd(step, scale) : Math.min(scale, 2);
  let end = text.length;
  for (let decimals = scale; decimals > keep && text[end - 1] === '0'; decimals--) end--;
  return text.slice(0, text[end - 1] === '.' ? end - 1 : end);
}

function zerosAtEnd(step: number, most: number): number {
  let zeros = 0;
  while (zeros < most && step % 10 === 0) {
    step /= 10;
    zeros++;
  }
  return zeros;
}
