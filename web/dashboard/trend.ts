import type { BarRow } from "@feedd/client";
import { setAttribute } from "../ui/dom.ts";
import { Sparkline } from "../ui/sparkline.ts";
import type { Past } from "./past.ts";

/** Bars of a minute that a sparkline spans. */
export const TREND_BARS = 60;
/** Fewer bars than this make no line: then what was seen of the quote does, for as long as the page is open. */
const FEWEST_BARS = 8;
/** Values drawn of it. */
const POINTS = 72;

/** What is to be drawn, in one array for all rows: it is read before the next is written. */
const values = new Float64Array(Math.max(TREND_BARS + 1, POINTS));

/** The sparkline of a row. */
export class Trend {
  readonly #line = new Sparkline();

  get element(): Element {
    return this.#line.element;
  }

  draw(bars: readonly BarRow[], past: Past): void {
    const { of, count } = trendOf(bars, past, values);
    this.#line.draw(values, count);
    setAttribute(this.element, "data-of", of);
  }
}

/** Writes the values of a sparkline, oldest first: closes of the last hour's bars, or the middle of what was seen of the quote. */
export function trendOf(bars: readonly Pick<BarRow, "open" | "close">[], past: Past, into: Float64Array): { of: "bars" | "quotes"; count: number } {
  return bars.length >= FEWEST_BARS ? { of: "bars", count: readBars(bars, into) } : { of: "quotes", count: readPast(past, into) };
}

function readBars(bars: readonly Pick<BarRow, "open" | "close">[], into: Float64Array): number {
  const from = Math.max(0, bars.length - TREND_BARS);
  into[0] = bars[from]!.open;
  for (let i = from; i < bars.length; i++) into[i - from + 1] = bars[i]!.close;
  return bars.length - from + 1;
}

/** Thins out what is more than there are points for; the newest stays. */
function readPast(past: Past, into: Float64Array): number {
  let seen = 0;
  past.forEachSince(-Infinity, () => seen++);
  const every = Math.ceil(seen / (POINTS - 1)) || 1;
  let i = 0, count = 0;
  past.forEachSince(-Infinity, (_, bid, ask) => {
    const middle = Number.isNaN(bid) ? ask : Number.isNaN(ask) ? bid : (bid + ask) / 2;
    if ((i++ % every === 0 || i === seen) && !Number.isNaN(middle)) into[count++] = middle;
  });
  return count;
}
