/** Charts take decimal numbers, so this is the one place where integers become such. */

import type { BarRow, Instrument } from '../types.js';
import type { ChartBar } from './types.js';

/** Lengths of bars in seconds, by the charts' names. */
export const LENGTHS: Readonly<Record<string, number>> = { '1S': 1, '1': 60, '5': 300, '15': 900, '60': 3600, '1D': 86_400, D: 86_400 };

export const RESOLUTIONS = ['1S', '1', '5', '15', '60', '1D'];

export function price(value: number, { priceScale }: Instrument): number {
  return value / 10 ** priceScale;
}

export function size(value: number, { sizeScale }: Instrument): number {
  return value / 10 ** sizeScale;
}

export function chartBar(bar: BarRow): ChartBar {
  const { instrument } = bar;
  return {
    time: bar.startS * 1000,
    open: price(bar.open, instrument),
    high: price(bar.high, instrument),
    low: price(bar.low, instrument),
    close: price(bar.close, instrument),
    volume: size(bar.volume, instrument),
  };
}
