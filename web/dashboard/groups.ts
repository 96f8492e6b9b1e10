import type { Instrument } from "@feedd/client";
import { formatDecimal } from "@feedd/client";
import { group } from "../ui/format.ts";

/** Widths that a list offers at the most. */
const MOST = 9;

/**
 * Widths of price groups that make sense for a price: 1, 2 or 5 times a power of ten, wider than the step and at most
 * about a hundredth of the price. In scaled units.
 */
export function groupsFor(instrument: Pick<Instrument, "priceStep">, price: number | null): number[] {
  const step = Math.max(1, instrument.priceStep);
  const widest = Math.abs(price ?? 0) / 100;
  const out: number[] = [];
  for (let power = 1; power <= widest && out.length < MOST; power *= 10) {
    for (const factor of [1, 2, 5]) {
      const width = factor * power;
      if (width > step && width <= widest && width % step === 0 && out.length < MOST) out.push(width);
    }
  }
  return out;
}

/** A width as people read it: "0.5", "100". */
export function groupLabel(width: number, instrument: Pick<Instrument, "priceScale">): string {
  const text = formatDecimal(width, instrument.priceScale);
  return group(text.includes(".") ? text.replace(/\.?0+$/, "") : text);
}
